//! The only door: authenticate, decide, authorise, record, commit, answer.
//!
//! Nothing changes without a permit, and only this crate makes permits. It knows no database, no
//! runtime and no socket: those stand behind the `ports`.

mod act;
pub mod answer;
mod answers;
mod approval;
pub mod audit;
mod base;
mod calendar;
mod capture;
pub mod certificate;
mod config;
mod decide;
mod digest;
mod door;
mod engines;
mod facts;
mod flood;
mod keys;
mod lease;
mod ledger;
pub mod mcp;
pub mod note;
mod permit;
mod plan;
pub mod ports;
mod proposal;
mod query;
mod recent;
mod record;
mod redact;
mod request;
mod retention;
mod sessions;
mod stamp;
mod strangers;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod token;
mod undo;
mod witness;
mod writer;

pub use calendar::{Calendar, Window};
pub use config::{GateConfig, GateError, Limits};
pub use door::Gate;
pub use engines::UNLOADED;
pub use facts::actions;
pub use keys::{KeyError, Keys};
pub use retention::Retention;
pub use sessions::{Reception, Session, SignedIn};
pub use stamp::Watched;
