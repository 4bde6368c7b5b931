//! An agent's plan: ordered tool calls, why, evidence, expected effect, how to verify, how to undo.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{ApprovalId, IncidentId, ProposalId, ServiceKey},
    incident::Cause,
    plan::ServiceState,
    time::{Span, Time},
};

/// A proposal as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// Its id.
    pub id: ProposalId,
    /// For which incident.
    pub incident: IncidentId,
    /// Who proposes.
    pub by: String,
    /// When.
    pub at: Time,
    /// What it stands at.
    pub state: ProposalState,
    /// What was proposed.
    pub body: ProposalBody,
    /// The approval that the calls wait for or used, where policy asked for one.
    pub approval: Option<ApprovalId>,
    /// How many of the calls were carried out.
    pub done: u32,
    /// What came of it, in words.
    pub outcome: Option<String>,
    /// Services that its calls change: while it is open, its author holds a lease on them.
    #[serde(default)]
    pub services: BTreeSet<ServiceKey>,
    /// When that lease ends at the latest.
    #[serde(default)]
    pub lease_until: Option<Time>,
    /// Why the person who said no wants another plan, where they do.
    #[serde(default)]
    pub another: Option<String>,
}

impl Proposal {
    /// Until when its author holds a lease on its services: while it waits, is carried out or
    /// verified, and no longer than was set when it was made.
    #[must_use]
    pub fn leased_until(&self, now: Time) -> Option<Time> {
        use ProposalState::{Acting, Approved, Verifying, Waiting};
        let open = matches!(self.state, Waiting | Approved | Acting | Verifying);
        self.lease_until.filter(|until| open && now < *until)
    }
}

/// What an agent writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalBody {
    /// One line for people, 200 characters at most.
    pub title: String,
    /// The cause it answers.
    pub cause: Cause,
    /// The calls, in order, 10 at most.
    pub calls: Vec<ProposedCall>,
    /// What should be seen afterwards, in words.
    pub expected: String,
    /// How to tell that it worked.
    pub verify: Verify,
    /// What else was considered and why not.
    #[serde(default)]
    pub alternatives: Vec<String>,
}

/// One tool call of a proposal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposedCall {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// Why.
    pub reason: String,
}

/// How to tell that it worked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The service to watch.
    pub service: ServiceKey,
    /// The state it must reach.
    pub state: ServiceState,
    /// How long it must stay there.
    pub hold: Span,
    /// By when; later means it did not work.
    pub within: Span,
}

/// What a proposal stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// Waits for a person.
    Waiting,
    /// May be carried out.
    Approved,
    /// A person said no.
    Rejected,
    /// Being carried out.
    Acting,
    /// Carried out; the effect is being watched.
    Verifying,
    /// It worked.
    Verified,
    /// It did not work and was taken back.
    Undone,
    /// It did not work and could not be taken back.
    Failed,
    /// Not decided in time, or the world moved.
    Expired,
}
