//! From the operator's words to what an agent plans with.
//!
//! The daemon and the evals read the same file by the same code: what an eval run certifies is the
//! agent that the daemon runs with that file, to the last byte of its prompt.

mod entry;
mod file;
mod told;

pub use entry::{Entry, EntryError, Mind, ShadowEntry, shadow_of};
pub use file::{Planning, PlanningError};
pub use told::{of_agent, of_all};
