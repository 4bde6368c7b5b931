//! How a case ended: what there is to judge.

use std::sync::Arc;

use ostler_core::{incident::Incident, intent::Intent, proposal::Proposal, time::Span};
use ostler_gate::ports::PastChange;
use serde_json::Value;

use crate::line::Heard;

/// How a case ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Incidents in the end.
    pub incidents: Vec<Incident>,
    /// What was captured of them when they were opened, as `export_incident` answers.
    pub exports: Vec<Value>,
    /// Proposals in the end.
    pub proposals: Vec<Proposal>,
    /// Changes since the trouble began, other than the case's own deeds, oldest first.
    pub changes: Vec<PastChange>,
    /// What was wanted before them.
    pub before: Arc<Intent>,
    /// What is wanted in the end.
    pub after: Arc<Intent>,
    /// Whether all is well and was for a while.
    pub well: bool,
    /// What is not, in words.
    pub ills: String,
    /// From the trouble to the first incident.
    pub detected: Option<Span>,
    /// From the trouble to when all was well again for good.
    pub mitigated: Option<Span>,
    /// Approvals that were asked for.
    pub approvals: usize,
    /// Ends of instances that nobody asked for.
    pub ends: usize,
    /// Invariants that the core's plans broke.
    pub violations: Vec<String>,
    /// Calls of a fix that the gate did not accept, in words.
    pub refused: Vec<String>,
    /// What was heard on the agent's line; nothing where there was none.
    pub heard: Heard,
    /// The audit log's leaves, as JSON texts.
    pub audit: Vec<String>,
}
