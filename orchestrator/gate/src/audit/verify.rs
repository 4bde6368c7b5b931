//! Checks a log against its signed checkpoint and names the leaf that is wrong. No store, no clock.

use ostler_tools::answer::AuditExport;
use serde::{Deserialize, Serialize};

use super::{
    note::Checkpoint,
    tree::{Frontier, Hash, leaf_hash},
};
use crate::digest::hex;

/// What checking a log found, when all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Leaves checked.
    pub leaves: u64,
    /// The tree's root, hexadecimal.
    pub root: String,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", leaf.map(|leaf| format!("leaf {leaf}: ")).unwrap_or_default())]
pub struct Tampered {
    /// The first leaf that is wrong, where one can be named.
    pub leaf: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl Tampered {
    pub(crate) fn log(what: impl Into<String>) -> Self {
        Self {
            leaf: None,
            what: what.into(),
        }
    }

    pub(crate) fn at(leaf: u64, what: impl Into<String>) -> Self {
        Self {
            leaf: Some(leaf),
            what: what.into(),
        }
    }
}

/// One line of an exported log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Leaf {
        hash: String,
        leaf: String,
    },
    Head {
        checkpoint: String,
        public_key: String,
    },
}

/// A page of the log as lines of JSON. The last page ends with the signed checkpoint; pages written
/// one after the other are what [`verify`] reads.
#[must_use]
pub fn export_lines(page: &AuditExport) -> String {
    let leaves = page.leaves.iter().enumerate().map(|(index, leaf)| {
        let hash = page
            .hashes
            .get(index)
            .cloned()
            .unwrap_or_else(|| hex(&leaf_hash(leaf.as_bytes())));
        Line::Leaf {
            hash,
            leaf: leaf.clone(),
        }
    });
    let head = page.next.is_none().then(|| Line::Head {
        checkpoint: page.checkpoint.clone(),
        public_key: page.public_key.clone(),
    });
    let lines = leaves
        .chain(head)
        .filter_map(|line| serde_json::to_string(&line).ok());
    lines.map(|line| line + "\n").collect()
}

/// Checks an exported log. With `public_key` (kept from elsewhere) a log that somebody wrote and
/// signed anew is found too; without it, the key in the export is believed.
///
/// # Errors
/// [`Tampered`] names the first leaf that was flipped, dropped, moved or cut off, where it can be named.
pub fn verify(export: &str, public_key: Option<&str>) -> Result<Report, Tampered> {
    let mut check = Check::default();
    let mut head = None;
    for (number, text) in export.lines().enumerate() {
        if head.is_some() {
            return Err(Tampered::log(format!(
                "line {}: text after the checkpoint",
                number + 1
            )));
        }
        match serde_json::from_str(text) {
            Ok(Line::Leaf { hash, leaf }) => check.leaf(leaf.as_bytes(), &hash),
            Ok(Line::Head {
                checkpoint,
                public_key,
            }) => head = Some((checkpoint, public_key)),
            Err(error) => check.wrong(format!("line {} cannot be read: {error}", number + 1)),
        }
    }
    let Some((note, own_key)) = head else {
        return Err(check
            .wrong
            .unwrap_or_else(|| Tampered::log("the export ends before its checkpoint")));
    };
    if public_key.is_some_and(|key| key != own_key) {
        return Err(Tampered::log(
            "the export names another key than the given one",
        ));
    }
    let checkpoint = Checkpoint::open(&note, &own_key).map_err(Tampered::log)?;
    check.against(&checkpoint)
}

/// Leaves as they come, with the first thing that is wrong.
#[derive(Default)]
pub(crate) struct Check {
    tree: Frontier,
    wrong: Option<Tampered>,
}

impl Check {
    pub(crate) fn leaf(&mut self, bytes: &[u8], stored: &str) {
        let index = self.tree.size();
        let hash: Hash = leaf_hash(bytes);
        if hex(&hash) != stored {
            self.wrong("its bytes are not those that were recorded");
        } else if index_of(bytes) != Some(index) {
            self.wrong(format!("it is not the leaf that was recorded at {index}"));
        }
        self.tree.push(hash);
    }

    pub(crate) fn wrong(&mut self, what: impl Into<String>) {
        let index = self.tree.size();
        self.wrong.get_or_insert_with(|| Tampered::at(index, what));
    }

    pub(crate) fn against(self, checkpoint: &Checkpoint) -> Result<Report, Tampered> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let (held, signed) = (self.tree.size(), checkpoint.size);
        if held != signed {
            let first = held.min(signed);
            return Err(Tampered::at(
                first,
                format!("there are {held} leaves where {signed} were signed"),
            ));
        }
        if self.tree.root() != checkpoint.root {
            return Err(Tampered::log(
                "the leaves and their hashes were rewritten: the root is not the signed one",
            ));
        }
        Ok(Report {
            leaves: held,
            root: hex(&checkpoint.root),
        })
    }
}

fn index_of(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        index: u64,
    }
    serde_json::from_slice::<Numbered>(bytes)
        .ok()
        .map(|leaf| leaf.index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Signer;

    fn exported(count: u64) -> (String, String) {
        let signer = Signer::new(ed25519_dalek::SigningKey::from_bytes(&[7; 32]));
        let mut tree = Frontier::default();
        let leaves: Vec<String> = (0..count)
            .map(|index| format!(r#"{{"index":{index},"tool":"x"}}"#))
            .collect();
        leaves
            .iter()
            .for_each(|leaf| tree.push(leaf_hash(leaf.as_bytes())));
        let hashes = leaves
            .iter()
            .map(|leaf| hex(&leaf_hash(leaf.as_bytes())))
            .collect();
        let page = AuditExport {
            from: 0,
            leaves,
            hashes,
            next: None,
            total: count,
            checkpoint: signer.sign(&tree),
            public_key: signer.public_key(),
        };
        (export_lines(&page), signer.public_key())
    }

    #[test]
    fn a_log_as_written_passes() {
        for count in [0, 1, 7, 64] {
            let (text, key) = exported(count);
            assert_eq!(verify(&text, None).unwrap().leaves, count);
            assert_eq!(verify(&text, Some(&key)).unwrap().leaves, count);
        }
    }

    #[test]
    fn every_flip_of_a_byte_is_found() {
        let (text, key) = exported(5);
        let mut bytes = text.clone().into_bytes();
        for position in 0..bytes.len() {
            bytes[position] ^= 1;
            if let Ok(changed) = std::str::from_utf8(&bytes) {
                assert!(verify(changed, Some(&key)).is_err(), "byte {position}");
            }
            bytes[position] ^= 1;
        }
    }

    #[test]
    fn drop_move_cut_and_rewrite_are_found_and_named() {
        let (text, key) = exported(6);
        let lines: Vec<&str> = text.lines().collect();
        let wrong = |lines: &[&str]| verify(&lines.join("\n"), Some(&key)).unwrap_err();
        let without = |gone: usize| {
            lines
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != gone)
                .map(|(_, l)| *l)
                .collect::<Vec<_>>()
        };
        assert_eq!(wrong(&without(2)).leaf, Some(2), "dropped");
        assert_eq!(wrong(&without(5)).leaf, Some(5), "cut");
        assert_eq!(wrong(&without(6)).leaf, None, "no checkpoint");
        let mut moved = lines.clone();
        moved.swap(1, 3);
        assert_eq!(wrong(&moved).leaf, Some(1), "moved");
        let flipped = text.replacen(
            r#"\"index\":4,\"tool\":\"x\""#,
            r#"\"index\":4,\"tool\":\"y\""#,
            1,
        );
        assert_ne!(flipped, text);
        assert_eq!(
            verify(&flipped, Some(&key)).unwrap_err().leaf,
            Some(4),
            "flipped"
        );
    }

    #[test]
    fn a_log_signed_anew_by_another_key_is_found() {
        let (text, _) = exported(3);
        let stranger = Signer::new(ed25519_dalek::SigningKey::from_bytes(&[9; 32]));
        assert!(verify(&text, Some(&stranger.public_key())).is_err());
    }
}
