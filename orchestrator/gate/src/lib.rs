//! The only door: authenticate, decide, authorise, record, commit, answer.
//!
//! Nothing changes without a permit, and only this crate makes permits. It knows no database, no
//! runtime and no socket: those stand behind the `ports`.

pub mod answer;
pub mod ports;
