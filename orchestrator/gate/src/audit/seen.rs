//! Checkpoints that somebody kept: what a log must still hold, however well it was written anew.
//!
//! A checkpoint alone proves what it covers, not that it is the newest: an older copy of the store comes
//! with its own, which fits. Whoever kept a later one elsewhere (a witness) finds that out.

use serde::{Deserialize, Serialize};

use super::{handover::Chain, note::Checkpoint, tree::Hash, verify::Tampered};

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
pub struct Seen {
    heads: Vec<Checkpoint>,
    /// How many leaves each head of the witness covers.
    witnessed: Vec<u64>,
}

impl Seen {
    /// Reads a witness's file: lines of JSON. All must be signed by a key of the log, while it was that. What
    /// keys ended with counts as seen too.
    ///
    /// # Errors
    /// When a line is no checkpoint, or not by such a key; names the line.
    pub(crate) fn read(text: &str, chain: Chain) -> Result<Self, Tampered> {
        let mut heads = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let wrong = |what: &dyn std::fmt::Display| {
                Tampered::log(format!("line {} of the witness: {what}", number + 1))
            };
            let head: SignedHead = serde_json::from_str(line).map_err(|error| wrong(&error))?;
            let opened = chain.open(&head.checkpoint, &head.public_key);
            heads.push(opened.map_err(|what| wrong(&what))?);
        }
        let witnessed = heads.iter().map(|head| head.size).collect();
        heads.extend(chain.heads());
        heads.sort_by_key(|head| head.size);
        Ok(Self { heads, witnessed })
    }

    /// The roots that a tree has, or should have, when it has grown to `size`.
    pub(super) fn contradicts(&self, size: u64, root: &Hash) -> bool {
        let from = self
            .heads
            .partition_point(|checkpoint| checkpoint.size < size);
        let there = self.heads.iter().skip(from);
        there
            .take_while(|checkpoint| checkpoint.size == size)
            .any(|checkpoint| checkpoint.root != *root)
    }

    /// Whether a tree of this size was seen, so that its root is worth working out.
    pub(super) fn knows(&self, size: u64) -> bool {
        self.heads
            .binary_search_by_key(&size, |checkpoint| checkpoint.size)
            .is_ok()
    }

    /// The largest size that was seen up to `size`.
    pub(super) fn before(&self, size: u64) -> u64 {
        let from = self
            .heads
            .partition_point(|checkpoint| checkpoint.size < size);
        from.checked_sub(1)
            .and_then(|at| self.heads.get(at))
            .map_or(0, |checkpoint| checkpoint.size)
    }

    /// The largest size of all.
    pub(super) fn largest(&self) -> u64 {
        self.heads.last().map_or(0, |checkpoint| checkpoint.size)
    }

    /// How many heads of the witness a log that begins at `cut` can be held against.
    pub(super) fn within(&self, cut: u64) -> u64 {
        let sizes = self.witnessed.iter();
        sizes.filter(|size| **size >= cut).count() as u64
    }
}
