//! A prompt is a file; its version is the SHA-256 of its bytes.

use sha2::{Digest, Sha256};

/// A prompt with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    text: String,
    hash: String,
}

impl Prompt {
    /// The prompt of this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self {
            hash: hex(&Sha256::digest(text.as_bytes())),
            text,
        }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its version: SHA-256 in hex.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// Bytes in lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_hash_of_the_file() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Prompt::new(String::new()).hash(), empty);
        assert_ne!(
            Prompt::new("a".into()).hash(),
            Prompt::new("b".into()).hash()
        );
    }
}
