//! Checks a log against its signed checkpoint and names the leaf that is wrong. No store, no clock.

use ostler_tools::answer::AuditExport;
use serde::{Deserialize, Serialize};

use super::{
    handover::{Chain, Handover},
    note::Checkpoint,
    seen::{Seen, SignedHead},
    tree::{Frontier, Hash, leaf_hash},
};
use crate::{digest::hex, retention::Told};

/// What checking a log found, when all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Leaves checked.
    pub leaves: u64,
    /// The first leaf that is kept; those before went by retention, on record.
    pub kept_from: u64,
    /// Leaves after it whose bodies went by retention, on record.
    pub dropped: u64,
    /// The tree's root, hexadecimal.
    pub root: String,
    /// Checkpoints that were seen earlier and agree with it.
    pub agreed: u64,
    /// Keys that signed it, one after the other.
    pub keys: u64,
    /// The one that signs it now; nothing where a store checks its own.
    pub public_key: String,
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
pub(super) enum Line {
    Leaf { hash: String, leaf: String },
    Dropped { hash: String, dropped: bool },
    Cut { cut: u64, peaks: Vec<String> },
    Handover(Handover),
    Head(SignedHead),
}

/// A page of the log as lines of JSON. The first page says where the kept log begins, the last ends
/// with the keys that signed it before, and the signed checkpoint; pages written one after the other are what [`verify`] reads.
#[must_use]
pub fn export_lines(page: &AuditExport) -> String {
    let leaves = page.leaves.iter().enumerate().map(|(index, leaf)| {
        let hash = page
            .hashes
            .get(index)
            .cloned()
            .unwrap_or_else(|| hex(&leaf_hash(leaf.as_bytes())));
        if leaf.is_empty() {
            return Line::Dropped {
                hash,
                dropped: true,
            };
        }
        Line::Leaf {
            hash,
            leaf: leaf.clone(),
        }
    });
    let begins = page.cut.iter().map(|cut| Line::Cut {
        cut: cut.size,
        peaks: cut.peaks.clone(),
    });
    let last = page.next.is_none();
    let handovers = page.handovers.iter().filter(|_| last).map(|handover| {
        Line::Handover(Handover {
            handover: handover.handover.clone(),
            public_key: handover.public_key.clone(),
        })
    });
    let head = last.then(|| {
        Line::Head(SignedHead {
            checkpoint: page.checkpoint.clone(),
            public_key: page.public_key.clone(),
        })
    });
    let lines = begins
        .chain(leaves)
        .chain(handovers)
        .chain(head)
        .filter_map(|line| serde_json::to_string(&line).ok());
    lines.map(|line| line + "\n").collect()
}

/// Checks an exported log. With `public_key` (its own, or one it had before, kept from elsewhere) a log that
/// somebody wrote and signed anew is found too; without it, the key in the export is believed.
///
/// # Errors
/// [`Tampered`] names the first leaf that was flipped, dropped, moved or cut off, where it can be named.
pub fn verify(export: &str, public_key: Option<&str>) -> Result<Report, Tampered> {
    verify_since(export, public_key, "")
}

/// As [`verify`], and holds the log against what a witness saw of it (lines of [`SignedHead`]): a log
/// that was cut back, put back to an older copy or forked is found although its own head fits.
///
/// # Errors
/// As [`verify`]; and when the log does not continue what the witness saw, or the witness's file is damaged.
pub fn verify_since(
    export: &str,
    public_key: Option<&str>,
    witness: &str,
) -> Result<Report, Tampered> {
    let head = last_head(export);
    let chain = match (&head, public_key) {
        (Some(head), _) => Some(Chain::read(&handovers(export), &head.public_key)?),
        (None, given) => given.map(Chain::of),
    };
    if let (Some(given), Some(chain)) = (public_key, &chain)
        && !chain.knows(given)
    {
        return Err(Tampered::log(
            "the export names another key than the given one",
        ));
    }
    let keys = chain.as_ref().map_or(0, Chain::len);
    let seen = match chain {
        Some(chain) => Seen::read(witness, chain)?,
        None => Seen::default(),
    };
    let check = read_leaves(export, seen)?;
    let Some(head) = head else {
        return Err(check
            .wrong
            .unwrap_or_else(|| Tampered::log("the export ends before its checkpoint")));
    };
    let checkpoint = Checkpoint::open(&head.checkpoint, &head.public_key).map_err(Tampered::log)?;
    let report = check.against(&checkpoint)?;
    Ok(Report {
        keys,
        public_key: head.public_key,
        ..report
    })
}

/// The changes of the key that an export tells of, before its head.
fn handovers(export: &str) -> Vec<Handover> {
    let before = export.lines().rev().skip(1);
    let told = before.map_while(|line| match serde_json::from_str(line) {
        Ok(Line::Handover(handover)) => Some(handover),
        _ => None,
    });
    let mut told: Vec<_> = told.collect();
    told.reverse();
    told
}

/// The signed head that an export ends with, if it does.
pub(super) fn last_head(export: &str) -> Option<SignedHead> {
    match serde_json::from_str(export.lines().next_back()?) {
        Ok(Line::Head(head)) => Some(head),
        _ => None,
    }
}

/// Everything before the head.
fn read_leaves(export: &str, seen: Seen) -> Result<Check, Tampered> {
    let mut check = Check {
        seen,
        ..Check::default()
    };
    let (mut handed, mut ended) = (false, false);
    for (number, text) in export.lines().enumerate() {
        if ended {
            let what = format!("line {}: text after the checkpoint", number + 1);
            return Err(Tampered::log(what));
        }
        match serde_json::from_str(text) {
            Ok(Line::Handover(_)) => handed = true,
            Ok(Line::Leaf { .. } | Line::Dropped { .. }) if handed => {
                check.wrong("it stands after the changes of the key");
            }
            Ok(Line::Leaf { hash, leaf }) => check.leaf(leaf.as_bytes(), &hash),
            Ok(Line::Dropped { hash, dropped: _ }) => check.leaf(&[], &hash),
            Ok(Line::Cut { cut, peaks }) if number == 0 => {
                let seen = std::mem::take(&mut check.seen);
                check = Check::from(cut, &peaks)?.with(seen);
            }
            Ok(Line::Cut { .. }) => check.wrong("the log begins twice"),
            Ok(Line::Head(_)) => ended = true,
            Err(error) => check.wrong(format!("line {} cannot be read: {error}", number + 1)),
        }
    }
    Ok(check)
}

/// Leaves as they come, with the first thing that is wrong.
#[derive(Default)]
pub(crate) struct Check {
    tree: Frontier,
    wrong: Option<Tampered>,
    /// Where it began.
    cut: u64,
    /// Stretches of leaves without bodies: the first, and one after the last.
    missing: Vec<(u64, u64)>,
    /// What leaves of retention say, with their bitmaps.
    told: Vec<(Told, Vec<u8>)>,
    /// What was seen of the log before.
    seen: Seen,
}

impl Check {
    /// Begins where the kept log does.
    pub(crate) fn from(cut: u64, peaks: &[String]) -> Result<Self, Tampered> {
        let peaks: Option<Vec<Hash>> = peaks.iter().map(|peak| unhex(peak)).collect();
        let tree = peaks.and_then(|peaks| Frontier::from_parts(cut, peaks));
        let tree = tree.ok_or_else(|| Tampered::log(BAD_EDGE))?;
        Ok(Self {
            tree,
            cut,
            ..Self::default()
        })
    }

    /// To be held against what was seen before.
    pub(crate) fn with(self, seen: Seen) -> Self {
        Self { seen, ..self }
    }

    pub(crate) fn leaf(&mut self, bytes: &[u8], stored: &str) {
        if bytes.is_empty() {
            return self.dropped(stored);
        }
        let index = self.tree.size();
        let hash: Hash = leaf_hash(bytes);
        if hex(&hash) != stored {
            self.wrong("its bytes are not those that were recorded");
        } else if index_of(bytes) != Some(index) {
            self.wrong(format!("it is not the leaf that was recorded at {index}"));
        }
        if let Some(told) = Told::of(bytes) {
            let bits = told.bits();
            self.told.push((told, bits));
        }
        self.push(hash);
    }

    /// The tree grows; where somebody saw it at this size, it is held against that.
    fn push(&mut self, hash: Hash) {
        self.tree.push(hash);
        let size = self.tree.size();
        if !self.seen.knows(size) || !self.seen.contradicts(size, &self.tree.root()) {
            return;
        }
        let known = self.seen.before(size).max(self.cut);
        let what = format!(
            "the log was forked: its first {size} leaves are not those that a checkpoint seen earlier \
             was signed over, so a leaf from {known} to {} is another",
            size - 1
        );
        self.wrong.get_or_insert(Tampered::at(known, what));
    }

    /// A leaf of which only the hash is left.
    fn dropped(&mut self, stored: &str) {
        let index = self.tree.size();
        match self.missing.last_mut() {
            Some((_, end)) if *end == index => *end = index + 1,
            _ => self.missing.push((index, index + 1)),
        }
        match unhex(stored) {
            Some(hash) => self.push(hash),
            None => self.wrong("its hash is damaged"),
        }
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
        let seen = self.seen.largest();
        if held < seen {
            let what = format!(
                "the log ends here, but a checkpoint over {seen} leaves was seen earlier: it was cut back, \
                 or an older copy was put in its place"
            );
            return Err(Tampered::at(held, what));
        }
        self.what_is_gone_is_told()?;
        if self.tree.root() != checkpoint.root {
            return Err(Tampered::log(
                "the leaves and their hashes were rewritten: the root is not the signed one",
            ));
        }
        Ok(Report {
            leaves: held,
            kept_from: self.cut,
            dropped: self.missing.iter().map(|(from, to)| to - from).sum(),
            root: hex(&checkpoint.root),
            agreed: self.seen.within(self.cut),
            keys: 1,
            public_key: String::new(),
        })
    }

    /// Whatever is missing, a leaf of retention must say so.
    fn what_is_gone_is_told(&self) -> Result<(), Tampered> {
        let told = self.told.iter().map(|(told, _)| told.cut).max();
        if self.cut > told.unwrap_or(0) {
            let what = format!(
                "everything before it is missing, and retention dropped it only up to {}",
                told.unwrap_or(0)
            );
            return Err(Tampered::at(self.cut, what));
        }
        let covered = |index| (self.told.iter()).any(|(told, bits)| told.covers(bits, index));
        for (from, to) in &self.missing {
            if let Some(index) = (*from..*to).find(|index| !covered(*index)) {
                return Err(Tampered::at(
                    index,
                    "its record is missing, and retention did not drop it",
                ));
            }
        }
        Ok(())
    }
}

pub(super) const BAD_EDGE: &str = "the place where the kept log begins is damaged";

pub(super) fn unhex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
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
            cut: None,
            leaves,
            hashes,
            handovers: Vec::new(),
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
