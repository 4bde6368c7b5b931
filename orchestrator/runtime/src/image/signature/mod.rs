//! Signatures of images: who must have signed what, and whether they did.
//!
//! `rules` say what is demanded, `key` verifies, `cosign` reads what a registry holds, `kept` is
//! what is remembered on disk, and `judge` puts them together: before anything of a pulled image is
//! unpacked, and again before each start. What a registry or a file answers is data; only a
//! signature by a key of the rule counts, and only for the digest that it names.

mod cosign;
mod judge;
mod kept;
mod key;
mod rules;

pub(super) use self::{
    judge::{Candidate, Judge},
    kept::forget_unused,
};
pub use self::{
    key::{KeyError, PublicKey},
    rules::{Demand, ImagePattern, RuleError, SignatureRule, SignatureRules},
};
