//! Answers of the broker's own: errors in the shape of the protocol that the agent speaks.

use axum::{body::Body, response::Response};
use serde_json::{Value, json};

use crate::{budget::Cost, config::Protocol};

/// The code of a request that was refused for want of budget.
pub const BUDGET_CODE: &str = "ostler_budget_exhausted";

/// Why a request was not answered by a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The request itself is not acceptable.
    #[error("{0}")]
    Request(String),
    /// Endpoint or model may not be asked.
    #[error("{0}")]
    NotAllowed(String),
    /// A budget is used up.
    #[error("{0}")]
    Budget(String),
    /// Replaying, and this was not recorded.
    #[error("nothing is recorded for this request ({0})")]
    NotRecorded(String),
    /// The provider failed lately and is left alone.
    #[error("{0}")]
    Resting(String),
    /// The provider cannot be reached or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// It did not answer in the time that the agent has.
    #[error("no answer within {0} s")]
    Late(u64),
    /// The provider answered with an error.
    #[error("{words}")]
    Provider {
        /// Its status.
        status: u16,
        /// Its words, cut and cleaned.
        words: String,
    },
}

/// Why a request got no answer, and what the agent's account paid for it.
pub(crate) struct Unanswered {
    pub refused: Refused,
    pub paid: Cost,
}

impl From<Refused> for Unanswered {
    fn from(refused: Refused) -> Self {
        Self {
            refused,
            paid: Cost::default(),
        }
    }
}

impl Refused {
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Request(_) => 400,
            Self::NotAllowed(_) => 403,
            Self::Budget(_) => 402,
            Self::NotRecorded(_) => 404,
            Self::Resting(_) => 503,
            Self::Unreachable(_) => 502,
            Self::Late(_) => 504,
            Self::Provider { status, .. } => *status,
        }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::Request(_) => "ostler_bad_request",
            Self::NotAllowed(_) => "ostler_not_allowed",
            Self::Budget(_) => BUDGET_CODE,
            Self::NotRecorded(_) => "ostler_not_recorded",
            Self::Resting(_) => "ostler_resting",
            Self::Unreachable(_) => "ostler_unreachable",
            Self::Late(_) => "ostler_late",
            Self::Provider { .. } => "provider_error",
        }
    }

    /// As an answer in a protocol. Ollama's clients read no status, so the body tells it too.
    pub(crate) fn answer(&self, protocol: Protocol) -> Response {
        let words = self.to_string();
        let body = match protocol {
            Protocol::Openai => {
                json!({ "error": { "message": words, "type": "ostler", "code": self.code(), "param": null } })
            }
            Protocol::Ollama => {
                json!({ "error": words, "code": self.code(), "status": self.status() })
            }
        };
        json_answer(self.status(), &body)
    }
}

/// An answer with a JSON body.
pub(crate) fn json_answer(status: u16, body: &Value) -> Response {
    let built = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()));
    built.unwrap_or_default()
}
