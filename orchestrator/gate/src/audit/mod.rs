//! The tamper-evident log: an RFC 6962 Merkle tree over canonical leaves, its head signed as a
//! C2SP signed note. Pure: bytes in, verdict out; anybody can check it offline.

mod handover;
mod note;
mod parts;
mod proof;
mod seen;
#[cfg(test)]
mod tampering;
mod tree;
mod verify;

pub(crate) use handover::Chain;
pub use handover::Handover;
pub use note::public_key;
pub(crate) use note::{Checkpoint, Signer};
pub use proof::{Proof, prove};
pub(crate) use seen::Seen;
pub use seen::SignedHead;
pub(crate) use tree::{Frontier, leaf_hash};
pub(crate) use verify::Check;
pub use verify::{Report, Tampered, export_lines, verify, verify_since};
