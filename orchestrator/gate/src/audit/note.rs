//! Signed checkpoints: C2SP `tlog-checkpoint` in a C2SP `signed-note`, Ed25519.
//!
//! An extension line carries the tree's peaks, so that a restart needs the leaves after the checkpoint
//! only. A second one, in the last head that a key signs, names the key after it.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{SigningKey, VerifyingKey};

use super::{
    handover::Handover,
    tree::{Frontier, Hash},
};
use crate::note;

/// The log's and the key's name.
const ORIGIN: &str = "ostler.dev/audit";
/// Begins the line that names the next key.
const NEXT: &str = "next ";

/// The public key as text (C2SP `vkey`): name, key id, algorithm and key.
#[must_use]
pub fn public_key(key: &VerifyingKey) -> String {
    note::public_key(ORIGIN, key)
}

/// Signs checkpoints.
#[derive(Debug)]
pub(crate) struct Signer(note::Signer);

impl Signer {
    pub(crate) fn new(key: SigningKey) -> Self {
        Self(note::Signer::named(ORIGIN, key))
    }

    pub(crate) fn public_key(&self) -> String {
        self.0.public_key()
    }

    /// The signed head of a tree.
    pub(crate) fn sign(&self, tree: &Frontier) -> String {
        self.0.sign(&text(tree))
    }

    /// The last head of this key: it names the next one, which signs it too.
    pub(crate) fn hand_over(&self, tree: &Frontier, next: &Self) -> Handover {
        let text = format!("{}{NEXT}{}\n", text(tree), next.public_key());
        Handover {
            handover: next.0.sign_too(&self.0.sign(&text)),
            public_key: self.public_key(),
        }
    }
}

/// What is signed of a tree.
fn text(tree: &Frontier) -> String {
    let peaks: Vec<String> = tree
        .peaks()
        .iter()
        .map(|peak| BASE64.encode(peak))
        .collect();
    format!(
        "{ORIGIN}\n{}\n{}\npeaks {}\n",
        tree.size(),
        BASE64.encode(tree.root()),
        peaks.join(" ")
    )
}

/// A checkpoint whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) tree: Frontier,
    /// The key that signs from here on, where this one ends.
    pub(crate) next: Option<String>,
}

impl Checkpoint {
    /// Reads a note and checks its signature.
    pub(crate) fn open(note: &str, public_key: &str) -> Result<Self, &'static str> {
        let log = note::Verifier::parse(public_key).filter(|key| key.name() == ORIGIN);
        let log = log.ok_or("the public key is not one of this log's")?;
        let text = log
            .open(note)
            .map_err(|_| "the checkpoint's signature is not by this key")?;
        Self::parse(&text).ok_or("the checkpoint's text is not of the expected form")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != ORIGIN {
            return None;
        }
        let size = lines.next()?.parse().ok()?;
        let root = hash(lines.next()?)?;
        let peaks = lines
            .next()?
            .strip_prefix("peaks")?
            .split_whitespace()
            .map(hash)
            .collect::<Option<Vec<_>>>()?;
        let tree = Frontier::from_parts(size, peaks)?;
        let next = match lines.next() {
            Some(line) => Some(line.strip_prefix(NEXT)?.to_owned()),
            None => None,
        };
        let whole = tree.root() == root && lines.next().is_none();
        whole.then_some(Self {
            size,
            root,
            tree,
            next,
        })
    }
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_opens_with_its_key_only() {
        let signer = Signer::new(SigningKey::from_bytes(&[7; 32]));
        let mut tree = Frontier::default();
        for leaf in 0..5_u8 {
            tree.push(super::super::leaf_hash(&[leaf]));
        }
        let note = signer.sign(&tree);
        let opened = Checkpoint::open(&note, &signer.public_key()).unwrap();
        assert_eq!(
            (opened.size, opened.root, &opened.tree),
            (5, tree.root(), &tree)
        );
        let stranger = Signer::new(SigningKey::from_bytes(&[8; 32]));
        assert!(Checkpoint::open(&note, &stranger.public_key()).is_err());
        assert!(
            Checkpoint::open(&note.replacen("\n5\n", "\n6\n", 1), &signer.public_key()).is_err()
        );
        assert!(Checkpoint::open("nonsense", &signer.public_key()).is_err());
        assert!(Checkpoint::open(&note, "nonsense").is_err());
        let empty = signer.sign(&Frontier::default());
        assert_eq!(
            Checkpoint::open(&empty, &signer.public_key()).unwrap().size,
            0
        );
    }
}
