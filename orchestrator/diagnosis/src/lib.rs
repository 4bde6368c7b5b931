//! From what was seen of a system to ranked causes with evidence.
//!
//! A [`picture::Picture`] is everything that is known of a system around a moment, in words of no
//! particular platform: importers and the daemon map their own vocabulary onto it. Nothing here has
//! a clock, chance, async or I/O: the same picture gives the same diagnosis.

pub mod diagnose;
mod echo;
pub mod finding;
pub mod knowledge;
pub mod picture;
pub mod signals;
