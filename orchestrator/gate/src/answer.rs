//! What a caller gets back. A denial is an answer that can be read, not a broken call.

use ostler_core::id::{ApprovalId, CallId, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer to one call, with the id under which it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The recorded call; evidence cites it.
    pub call: CallId,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Permitted and done.
    Done {
        /// The tool's answer.
        value: Value,
        /// The revision that a change made.
        revision: Option<Revision>,
    },
    /// Permitted only with a person's yes; ask for it, then make the same call again.
    Held {
        /// What to approve.
        approval: ApprovalId,
        /// Who can say yes, and why policy asks, in words.
        words: String,
    },
    /// Policy says no.
    Denied {
        /// Which policies spoke, and what would be allowed, in words.
        words: String,
        /// The policies' ids.
        policies: Vec<String>,
    },
    /// The arguments are not acceptable.
    Refused {
        /// What is wrong and what would be accepted.
        words: String,
    },
    /// It was permitted but could not be done; nothing changed.
    Failed {
        /// Why, and what to do.
        words: String,
    },
}

impl Outcome {
    /// As metrics and tests name it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Held { .. } => "held",
            Self::Denied { .. } => "denied",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
        }
    }
}
