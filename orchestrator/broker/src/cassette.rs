//! Recorded traffic, found again by what was asked.
//!
//! A recording's name is the SHA-256 of the request in canonical JSON (RFC 8785): endpoint,
//! protocol's path and cleaned body. Keys and headers are no part of it, secrets were taken out.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A folder of recordings.
#[derive(Debug, Clone)]
pub struct Cassette {
    folder: PathBuf,
}

/// One recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// What was asked.
    pub request: Value,
    /// The answer's content type.
    pub content_type: String,
    /// The answer, whole.
    pub body: String,
}

/// A recording cannot be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the recording `{path}`")]
pub struct CassetteError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// What identifies a request.
#[must_use]
pub fn identity(endpoint: &str, path: &str, body: &Value) -> Value {
    json!({ "endpoint": endpoint, "path": path, "body": body })
}

/// The name of a request's recording.
#[must_use]
pub fn key(identity: &Value) -> String {
    // Every JSON value has a canonical form; numbers beyond it do not occur in requests of ours.
    let canonical = serde_json_canonicalizer::to_vec(identity).unwrap_or_default();
    let digest = Sha256::digest(canonical);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Cassette {
    /// The recordings in a folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// The recording of a request; nothing when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is another request's.
    pub fn find(&self, identity: &Value) -> Result<Option<Recorded>, CassetteError> {
        let path = self.path(&key(identity));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CassetteError { path, source }),
        };
        let recorded: Recorded = serde_json::from_slice(&bytes).map_err(|error| CassetteError {
            path: path.clone(),
            source: error.into(),
        })?;
        if &recorded.request != identity {
            let source = std::io::Error::other("it holds another request than its name says");
            return Err(CassetteError { path, source });
        }
        Ok(Some(recorded))
    }

    /// Keeps a recording, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn keep(&self, recorded: &Recorded) -> Result<(), CassetteError> {
        let path = self.path(&key(&recorded.request));
        let written = || -> std::io::Result<()> {
            fs::create_dir_all(&self.folder)?;
            let mut bytes = serde_json::to_vec_pretty(recorded)?;
            bytes.push(b'\n');
            let part = path.with_extension(format!("part-{}", std::process::id()));
            let mut file = fs::File::create(&part)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        written().map_err(|source| CassetteError {
            path: path.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_by_the_same_request_in_any_order_of_fields() {
        let folder = tempfile::tempdir().unwrap();
        let cassette = Cassette::new(folder.path());
        let request = identity(
            "openai",
            "/chat/completions",
            &json!({ "model": "m", "n": 1.0 }),
        );
        let recorded = Recorded {
            request: request.clone(),
            content_type: "application/json".into(),
            body: "{}".into(),
        };
        cassette.keep(&recorded).unwrap();
        let again: Value = serde_json::from_str(
            r#"{"path":"/chat/completions","body":{"n":1.0,"model":"m"},"endpoint":"openai"}"#,
        )
        .unwrap();
        assert_eq!(cassette.find(&again).unwrap(), Some(recorded));
        let other = identity("openai", "/chat/completions", &json!({ "model": "other" }));
        assert_eq!(cassette.find(&other).unwrap(), None);
        assert_ne!(key(&request), key(&other));
    }

    #[test]
    fn a_recording_under_a_wrong_name_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let cassette = Cassette::new(folder.path());
        let request = identity("openai", "/x", &json!({}));
        fs::write(
            cassette.path(&key(&request)),
            r#"{"request":{},"content_type":"","body":""}"#,
        )
        .unwrap();
        assert!(cassette.find(&request).is_err());
    }
}
