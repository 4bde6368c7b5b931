//! Who thinks: from a situation to a verdict. Rules now; others stand behind the same trait.

use async_trait::async_trait;
use ostler_core::{incident::Cause, proposal::ProposalBody};

use crate::situation::Situation;

/// What a planner concluded.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing is wrong that rules of the core do not settle.
    Healthy,
    /// Something is wrong, but there is no safe action, or evidence does not settle the cause.
    Unresolved {
        /// What was ruled out, or what a person should do.
        why: String,
        /// The cause, where one is believed in.
        cause: Option<Box<Cause>>,
        /// Whether a person should be called now rather than after more looks.
        person: bool,
    },
    /// What to do about it.
    Proposal(Box<ProposalBody>),
}

/// Why a planner gave no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot plan: {0}")]
pub struct PlannerError(pub String);

/// Thinks about one situation. It sees nothing but the situation and does nothing.
#[async_trait]
pub trait Planner: Send + Sync {
    /// Concludes.
    ///
    /// # Errors
    /// [`PlannerError`] when no verdict could be reached at all; the incident stays open.
    async fn think(&self, situation: &Situation) -> Result<Verdict, PlannerError>;
}
