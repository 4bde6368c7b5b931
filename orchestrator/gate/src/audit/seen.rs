//! Checkpoints that somebody kept: what a log must still hold, however well it was written anew.
//!
//! A checkpoint alone proves what it covers, not that it is the newest: an older copy of the store comes
//! with its own, which fits. Whoever kept a later one elsewhere (a witness) finds that out.

use serde::{Deserialize, Serialize};

use super::{note::Checkpoint, tree::Hash, verify::Tampered};

/// A signed checkpoint with the key that opens it; one line of a witness's file, and the last of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// C2SP `tlog-checkpoint` in a signed note.
    pub checkpoint: String,
    /// C2SP `vkey`.
    pub public_key: String,
}

impl SignedHead {
    /// How many leaves it covers, when its signature is by its key.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        let opened = Checkpoint::open(&self.checkpoint, &self.public_key);
        opened.ok().map(|checkpoint| checkpoint.size)
    }
}

/// What was seen of a log before, smallest first.
#[derive(Debug, Default)]
pub struct Seen(Vec<Checkpoint>);

impl Seen {
    /// Reads a witness's file: lines of JSON. All must be signed by the log's key.
    ///
    /// # Errors
    /// When a line is no checkpoint, or not by this key; names the line.
    pub fn read(text: &str, public_key: &str) -> Result<Self, Tampered> {
        let mut seen = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let wrong = |what: &dyn std::fmt::Display| {
                Tampered::log(format!("line {} of the witness: {what}", number + 1))
            };
            let head: SignedHead = serde_json::from_str(line).map_err(|error| wrong(&error))?;
            let opened = Checkpoint::open(&head.checkpoint, public_key);
            seen.push(opened.map_err(|what| wrong(&what))?);
        }
        seen.sort_by_key(|checkpoint| checkpoint.size);
        Ok(Self(seen))
    }

    /// The roots that a tree has, or should have, when it has grown to `size`.
    pub(super) fn contradicts(&self, size: u64, root: &Hash) -> bool {
        let from = self.0.partition_point(|checkpoint| checkpoint.size < size);
        let there = self.0.iter().skip(from);
        there
            .take_while(|checkpoint| checkpoint.size == size)
            .any(|checkpoint| checkpoint.root != *root)
    }

    /// Whether a tree of this size was seen, so that its root is worth working out.
    pub(super) fn knows(&self, size: u64) -> bool {
        self.0
            .binary_search_by_key(&size, |checkpoint| checkpoint.size)
            .is_ok()
    }

    /// The largest size that was seen up to `size`.
    pub(super) fn before(&self, size: u64) -> u64 {
        let from = self.0.partition_point(|checkpoint| checkpoint.size < size);
        from.checked_sub(1)
            .and_then(|at| self.0.get(at))
            .map_or(0, |checkpoint| checkpoint.size)
    }

    /// The largest size of all.
    pub(super) fn largest(&self) -> u64 {
        self.0.last().map_or(0, |checkpoint| checkpoint.size)
    }

    /// How many of them a log that begins at `cut` can be held against.
    pub(super) fn within(&self, cut: u64) -> u64 {
        let from = self.0.partition_point(|checkpoint| checkpoint.size < cut);
        self.0.len().saturating_sub(from) as u64
    }
}
