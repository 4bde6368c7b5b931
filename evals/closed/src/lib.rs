//! Faults in a simulated fleet that answers to what is done about them.
//!
//! A [`mechanism::Mechanism`] is a file under `evals/faults`: what people do, how programs behave
//! under which conditions, and what is true. Its variants make [`mechanism::Case`]s. A case is played
//! on a [`stage::Stage`]: the shipped core reconciles a simulated fleet in virtual time, the shipped
//! gate judges with the shipped policies, and the shipped agent sits at the other end of a pipe that
//! speaks MCP. A simulated person says yes to whatever is asked: what then goes wrong is the agent's.
//! [`oracle`] judges by what is so in the end, not by what was done; every oracle is itself tested.

mod attempt;
pub mod ended;
mod fleet;
pub mod line;
pub mod mechanism;
mod noise;
pub mod oracle;
mod over;
pub mod play;
mod rule;
mod signals;
pub mod stage;
pub mod suite;

/// Why a case could not be played.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct CaseError {
    /// The file or the case.
    pub place: String,
    /// What is wrong, with line and field where known.
    pub problem: String,
}
