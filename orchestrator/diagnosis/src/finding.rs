//! What the engine says.

use serde::{Deserialize, Serialize};

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// In one word.
    pub verdict: Verdict,
    /// Candidates, likeliest first; empty unless something is wrong. Where it is not known what, they
    /// have no cause.
    pub findings: Vec<Finding>,
}

/// What is the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong.
    Healthy,
    /// Something is wrong, and the first finding says what.
    Found,
    /// Something is wrong, and the evidence does not say what.
    Unknown,
}

/// One candidate for the cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What is at fault.
    pub object: String,
    /// Which cause of the knowledge base; nothing where only the place is known.
    pub cause: Option<String>,
    /// From 0 to 1: how much the evidence speaks for it, comparable within one diagnosis.
    pub score: f64,
    /// What shows it.
    pub evidence: Vec<Evidence>,
}

/// One thing that was seen, with where to find it in the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Which list of the picture, and which entry (`events/3`, `signals/12`, `objects/app/cart/facts/replicas.wanted`).
    pub from: String,
    /// What it shows, in words of our own.
    pub shows: String,
}
