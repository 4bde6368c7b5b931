//! SHA-256 digests as OCI writes them, and readers that compute them on the way.

use std::{
    fmt::Write as _,
    io::{self, Read},
};

use sha2::{Digest as _, Sha256};

use super::ImageError;

const PREFIX: &str = "sha256:";

/// `sha256:` and 64 lower-case hexadecimal digits.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Digest(String);

impl Digest {
    /// Parses; other algorithms are refused, since nothing here could verify them.
    pub(super) fn parse(text: &str) -> Result<Self, ImageError> {
        let is_hex = |hex: &str| {
            hex.len() == 64
                && hex
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        if text.strip_prefix(PREFIX).is_some_and(is_hex) {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(100).collect();
        Err(ImageError::unsupported(
            format!("digest `{shown}`"),
            "only `sha256:` with 64 hexadecimal digits is accepted",
        ))
    }

    /// Of some bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Hasher::default().with(bytes).finish()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Only the hexadecimal digits: safe as a file name.
    pub(super) fn hex(&self) -> &str {
        self.0.strip_prefix(PREFIX).unwrap_or(&self.0)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = ImageError;
    fn try_from(text: String) -> Result<Self, ImageError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

/// Computes a digest piece by piece.
#[derive(Clone, Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn with(mut self, bytes: &[u8]) -> Self {
        self.update(bytes);
        self
    }

    pub(super) fn finish(self) -> Digest {
        let mut text = PREFIX.to_owned();
        for byte in self.0.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Digest(text)
    }
}

/// Reads a stream to its end and tells its digest and length.
pub(super) fn of_reader(mut reader: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    let mut length = 0u64;
    let mut buffer = vec![0u8; 256 << 10];
    loop {
        let count = reader.read(&mut buffer)?;
        let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else {
            return Ok((hasher.finish(), length));
        };
        hasher.update(part);
        length = length.saturating_add(count as u64);
    }
}
