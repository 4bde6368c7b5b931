//! Signatures that were found good, kept by the digest that they are of. What is kept is the
//! evidence, not the verdict: it is verified with the keys of the day each time it is used, so a key
//! that a rule no longer names counts no more, and nobody has to trust this file.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{
    super::{ImageError, digest::Digest, disk::Disk},
    cosign::Signature,
};

/// Signatures kept of one digest; the oldest go.
const KEPT_LIMIT: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    digest: Digest,
    signatures: Vec<Signature>,
}

/// What is kept of a digest. A record that cannot be read counts as none: the registry has it still.
pub(super) fn of(disk: &Disk, digest: &Digest) -> Result<Vec<Signature>, ImageError> {
    match disk.read::<Record>(&disk.signatures_path(digest)) {
        Ok(Some(record)) if record.digest == *digest => Ok(record.signatures),
        Ok(_) | Err(ImageError::Corrupt { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Keeps one more.
pub(super) fn keep(disk: &Disk, digest: &Digest, signature: Signature) -> Result<(), ImageError> {
    let mut signatures = of(disk, digest)?;
    signatures.retain(|known| *known != signature);
    signatures.push(signature);
    let surplus = signatures.len().saturating_sub(KEPT_LIMIT);
    signatures.drain(..surplus);
    let record = Record {
        digest: digest.clone(),
        signatures,
    };
    disk.write(&disk.signatures_path(digest), &record)
}

/// Forgets what is of no image any more.
pub(in crate::image) fn forget_unused(
    disk: &Disk,
    used: &HashSet<&Digest>,
) -> Result<(), ImageError> {
    let kept: HashSet<_> = used
        .iter()
        .map(|digest| disk.signatures_path(digest))
        .collect();
    for path in disk.signatures()? {
        if !kept.contains(&path) {
            disk.forget_signatures(&path)?;
        }
    }
    Ok(())
}
