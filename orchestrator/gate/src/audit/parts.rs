//! An export taken apart: leaves, hashes, and what is known of those before the cut. For proofs.

use super::{
    handover::Handover,
    seen::SignedHead,
    tree::Hash,
    verify::{BAD_EDGE, Line, Tampered, last_head, unhex},
};

/// An export that was checked, taken apart.
pub(super) struct Parts {
    pub(super) cut: u64,
    peaks: Vec<Hash>,
    /// Text from the cut on; empty where retention dropped it.
    pub(super) leaves: Vec<String>,
    hashes: Vec<Hash>,
    pub(super) handovers: Vec<Handover>,
    pub(super) head: SignedHead,
}

impl Parts {
    pub(super) fn of(export: &str) -> Result<Self, Tampered> {
        let damaged = || Tampered::log(BAD_EDGE);
        let mut parts = Self {
            cut: 0,
            peaks: Vec::new(),
            leaves: Vec::new(),
            hashes: Vec::new(),
            handovers: Vec::new(),
            head: last_head(export).ok_or_else(damaged)?,
        };
        for line in export.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Leaf { leaf, hash }) => parts.push(leaf, &hash),
                Ok(Line::Dropped { hash, dropped: _ }) => parts.push(String::new(), &hash),
                Ok(Line::Cut { cut, peaks }) => {
                    parts.cut = cut;
                    parts.peaks = peaks.iter().filter_map(|peak| unhex(peak)).collect();
                }
                Ok(Line::Handover(handover)) => parts.handovers.push(handover),
                Ok(Line::Head(_)) => {}
                Err(error) => return Err(Tampered::log(error.to_string())),
            }
        }
        Ok(parts)
    }

    fn push(&mut self, leaf: String, hash: &str) {
        self.leaves.push(leaf);
        self.hashes.extend(unhex(hash));
    }

    pub(super) fn size(&self) -> u64 {
        self.cut + self.hashes.len() as u64
    }

    pub(super) fn hash(&self, index: u64) -> Option<Hash> {
        let at = usize::try_from(index.checked_sub(self.cut)?).ok()?;
        self.hashes.get(at).copied()
    }

    /// The root of a full subtree before the cut.
    pub(super) fn peak(&self, from: u64, to: u64) -> Option<Hash> {
        let mut start = 0;
        let bits = (0..u64::BITS).rev().map(|bit| 1_u64 << bit);
        let sizes = bits.filter(|size| self.cut & size != 0);
        for (size, peak) in sizes.zip(&self.peaks) {
            if (from, to) == (start, start + size) {
                return Some(*peak);
            }
            start += size;
        }
        None
    }
}
