//! Signed checkpoints: C2SP `tlog-checkpoint` in a C2SP `signed-note`, Ed25519.
//!
//! The one extension line carries the tree's peaks, so that a restart needs the leaves after the
//! checkpoint only.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::tree::{Frontier, Hash};

/// The log's and the key's name.
const ORIGIN: &str = "ostler.dev/audit";
const ED25519: u8 = 1;

/// The public key as text (C2SP `vkey`): name, key id, algorithm and key.
#[must_use]
pub fn public_key(key: &VerifyingKey) -> String {
    let typed = typed(key);
    format!(
        "{ORIGIN}+{}+{}",
        crate::digest::hex(&key_id(&typed)),
        BASE64.encode(&typed)
    )
}

fn typed(key: &VerifyingKey) -> Vec<u8> {
    [&[ED25519], key.as_bytes().as_slice()].concat()
}

fn key_id(typed: &[u8]) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(ORIGIN)
        .chain_update(b"\n")
        .chain_update(typed)
        .finalize();
    hash.iter().take(4).copied().collect()
}

fn parse_key(text: &str) -> Option<VerifyingKey> {
    let (name, rest) = text.trim().split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let typed = BASE64.decode(key).ok()?;
    let (kind, key) = typed.split_first()?;
    let fits = name == ORIGIN && *kind == ED25519 && id == crate::digest::hex(&key_id(&typed));
    let key: [u8; 32] = key.try_into().ok()?;
    VerifyingKey::from_bytes(&key).ok().filter(|_| fits)
}

/// Signs checkpoints.
#[derive(Debug)]
pub(crate) struct Signer {
    key: SigningKey,
    id: Vec<u8>,
}

impl Signer {
    pub(crate) fn new(key: SigningKey) -> Self {
        let id = key_id(&typed(&key.verifying_key()));
        Self { key, id }
    }

    pub(crate) fn public_key(&self) -> String {
        public_key(&self.key.verifying_key())
    }

    /// The signed head of a tree.
    pub(crate) fn sign(&self, tree: &Frontier) -> String {
        let peaks: Vec<String> = tree
            .peaks()
            .iter()
            .map(|peak| BASE64.encode(peak))
            .collect();
        let text = format!(
            "{ORIGIN}\n{}\n{}\npeaks {}\n",
            tree.size(),
            BASE64.encode(tree.root()),
            peaks.join(" ")
        );
        let signature = self.key.sign(text.as_bytes());
        let line = BASE64.encode([self.id.as_slice(), &signature.to_bytes()].concat());
        format!("{text}\n\u{2014} {ORIGIN} {line}\n")
    }
}

/// A checkpoint whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) tree: Frontier,
}

impl Checkpoint {
    /// Reads a note and checks its signature.
    pub(crate) fn open(note: &str, public_key: &str) -> Result<Self, &'static str> {
        let key = parse_key(public_key).ok_or("the public key is not one of this log's")?;
        let (text, signatures) = note
            .split_once("\n\n")
            .ok_or("the checkpoint has no signature")?;
        let text = format!("{text}\n");
        let id = key_id(&typed(&key));
        let signed = signatures.lines().any(|line| {
            signature(line, &id).is_some_and(|s| key.verify(text.as_bytes(), &s).is_ok())
        });
        if !signed {
            return Err("the checkpoint's signature is not by this key");
        }
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
        (tree.root() == root).then_some(Self { size, root, tree })
    }
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

fn signature(line: &str, id: &[u8]) -> Option<Signature> {
    let encoded = line.strip_prefix("\u{2014} ")?.strip_prefix(ORIGIN)?.trim();
    let bytes = BASE64.decode(encoded).ok()?;
    Signature::from_slice(bytes.strip_prefix(id)?).ok()
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
