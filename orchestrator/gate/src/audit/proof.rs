//! Proofs that stand alone: one leaf is in the log (RFC 6962, section 2.1.1), without the rest of it.
//!
//! For whoever must show one decision to somebody who may not see the others.

use ct_merkle::{InclusionProof, RootHash};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{
    handover::{Chain, Handover},
    parts::Parts,
    seen::SignedHead,
    tree::{Hash, node_hash},
    verify::{Tampered, unhex},
};
use crate::digest::hex;

/// One leaf with its path to a signed root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The leaf's index.
    pub index: u64,
    /// Its canonical text.
    pub leaf: String,
    /// The hashes beside the way from leaf to root, lowest first, hexadecimal.
    pub path: Vec<String>,
    /// The keys that signed the log before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// The signed head.
    #[serde(flatten)]
    pub head: SignedHead,
}

/// Takes one leaf with its proof out of an export.
///
/// # Errors
/// When the export is damaged, or does not hold the leaf: it was never there, or retention took it.
pub fn prove(export: &str, index: u64) -> Result<Proof, Tampered> {
    super::verify(export, None)?;
    let parts = Parts::of(export)?;
    let none = || {
        let what = format!(
            "it is not in the export, which holds {} to {}",
            parts.cut,
            parts.size().saturating_sub(1)
        );
        Tampered::at(index, what)
    };
    let at = index.checked_sub(parts.cut).ok_or_else(none)?;
    let leaf = usize::try_from(at).ok().and_then(|at| parts.leaves.get(at));
    let leaf = leaf.ok_or_else(none)?;
    if leaf.is_empty() {
        let what = "retention dropped its text, on record; there is nothing to prove";
        return Err(Tampered::at(index, what));
    }
    let mut path = Vec::new();
    walk(&parts, index, 0, parts.size(), &mut path).ok_or_else(none)?;
    Ok(Proof {
        index,
        leaf: leaf.clone(),
        path: path.iter().map(|hash| hex(hash)).collect(),
        handovers: parts.handovers,
        head: parts.head,
    })
}

/// The path of `index` within the subtree over `from..to`, lowest first.
fn walk(parts: &Parts, index: u64, from: u64, to: u64, path: &mut Vec<Hash>) -> Option<()> {
    if to - from == 1 {
        return Some(());
    }
    let middle = from + split(to - from);
    if index < middle {
        walk(parts, index, from, middle, path)?;
        path.push(root(parts, middle, to)?);
    } else {
        walk(parts, index, middle, to, path)?;
        path.push(root(parts, from, middle)?);
    }
    Some(())
}

/// The root of the subtree over `from..to`; what lies before the cut is known by its peaks.
fn root(parts: &Parts, from: u64, to: u64) -> Option<Hash> {
    if let Some(peak) = parts.peak(from, to) {
        return Some(peak);
    }
    if to - from == 1 {
        return parts.hash(from);
    }
    let middle = from + split(to - from);
    Some(node_hash(
        &root(parts, from, middle)?,
        &root(parts, middle, to)?,
    ))
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

impl Proof {
    /// Checks it. With `public_key` (the log's, or one it had before, kept from elsewhere) a log that somebody signed anew is found too.
    ///
    /// # Errors
    /// When leaf, path, root and signature do not fit each other.
    pub fn verify(&self, public_key: Option<&str>) -> Result<(), Tampered> {
        let chain = Chain::read(&self.handovers, &self.head.public_key)?;
        if public_key.is_some_and(|key| !chain.knows(key)) {
            return Err(Tampered::log(
                "the proof names another key than the given one",
            ));
        }
        let opened = chain.open(&self.head.checkpoint, &self.head.public_key);
        let checkpoint = opened.map_err(Tampered::log)?;
        let digests: Option<Vec<_>> = self.path.iter().map(|hash| unhex(hash)).collect();
        let digests = digests.ok_or_else(|| Tampered::log("a hash of the path is damaged"))?;
        let digests: Vec<_> = digests.into_iter().map(Into::into).collect();
        let path = InclusionProof::<Sha256>::from_digests(digests.iter());
        let root = RootHash::<Sha256>::new(checkpoint.root.into(), checkpoint.size);
        root.verify_inclusion(&self.leaf.as_bytes(), self.index, &path)
            .map_err(|_| {
                Tampered::at(
                    self.index,
                    "it does not lead to the signed root: leaf, index or path was changed",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        Signer,
        tree::{Frontier, leaf_hash},
        verify::export_lines,
    };
    use ostler_tools::answer::{AuditExport, ExportCut};

    /// A log of `count` leaves whose first `cut` are gone, and what its retention wrote of that.
    fn exported(count: u64, cut: u64) -> String {
        let signer = Signer::new(ed25519_dalek::SigningKey::from_bytes(&[7; 32]));
        let (mut tree, mut edge) = (Frontier::default(), Frontier::default());
        let mut leaves = Vec::new();
        for index in 0..count {
            let last = index + 1 == count && cut > 0;
            let told = serde_json::json!({ "cut": cut, "root": "", "from": cut, "dropped": "" });
            let told = format!(r#","tool":"retain_audit","principal":"system","arguments":{told}"#);
            let more = if last {
                told.as_str()
            } else {
                r#","tool":"x""#
            };
            let leaf = format!(r#"{{"index":{index}{more}}}"#);
            if index == cut {
                edge = tree.clone();
            }
            tree.push(leaf_hash(leaf.as_bytes()));
            leaves.push(leaf);
        }
        let kept = leaves.split_off(usize::try_from(cut).unwrap());
        let hashes = kept
            .iter()
            .map(|leaf| hex(&leaf_hash(leaf.as_bytes())))
            .collect();
        export_lines(&AuditExport {
            from: cut,
            cut: (cut > 0).then(|| ExportCut {
                size: cut,
                peaks: edge.peaks().iter().map(|peak| hex(peak)).collect(),
            }),
            leaves: kept,
            hashes,
            next: None,
            total: count,
            handovers: Vec::new(),
            checkpoint: signer.sign(&tree),
            public_key: signer.public_key(),
        })
    }

    #[test]
    fn every_leaf_of_every_small_log_is_proved() {
        for count in 1..=20 {
            let export = exported(count, 0);
            for index in 0..count {
                let proof = prove(&export, index).unwrap();
                proof.verify(Some(&proof.head.public_key)).unwrap();
            }
            assert!(prove(&export, count).is_err());
        }
    }

    #[test]
    fn a_proof_of_something_else_is_refused() {
        let proof = prove(&exported(13, 0), 6).unwrap();
        let changed: [fn(&mut Proof); 5] = [
            |proof| proof.leaf = proof.leaf.replace('x', "y"),
            |proof| proof.index = 7,
            |proof| proof.path.swap(0, 1),
            |proof| proof.path.truncate(2),
            |proof| proof.head.checkpoint = proof.head.checkpoint.replacen("13", "12", 1),
        ];
        for change in changed {
            let mut other = proof.clone();
            change(&mut other);
            assert!(other.verify(None).is_err(), "{other:?}");
        }
        let stranger = Signer::new(ed25519_dalek::SigningKey::from_bytes(&[9; 32]));
        assert!(proof.verify(Some(&stranger.public_key())).is_err());
    }

    #[test]
    fn what_retention_left_is_still_proved() {
        for (count, cut) in [(9, 6), (16, 5), (30, 29), (21, 8)] {
            let export = exported(count, cut);
            for index in cut..count {
                prove(&export, index).unwrap().verify(None).unwrap();
            }
            assert!(prove(&export, cut - 1).is_err());
        }
    }
}
