//! What an upgrader thinks: which version is right, how risky it is, how it should come in, what a known
//! vulnerability reaches, and which upgrades go together.
//!
//! Pure: no clock, no registry, no file. Text of registries and images (tags, labels, package lists) is
//! data here: it is bounded, and what an image says of itself can only make an upgrade look riskier.

pub mod batch;
pub mod image;
pub mod osv;
pub mod package;
pub mod risk;
pub mod rule;
pub mod strategy;
pub mod version;
mod words;
