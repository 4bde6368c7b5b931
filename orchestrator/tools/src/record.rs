//! Paperwork that is not intent: incidents, proposals, approvals, tokens. Closed enum of moves.

use ostler_core::{
    facts::{DiffLine, ServiceDiff},
    id::{ApprovalId, IncidentId, ProposalId},
    incident::{Cause, CauseKind, Incident, IncidentState},
    proposal::{ProposalBody, ProposalState},
    shadow::Shadowed,
    time::{Span, Time},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::{base::Base, principal::Role};

/// Everything recorded beside the intent; loaded from the store, kept whole in memory, bounded by retention.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Records {
    /// Incidents.
    pub incidents: BTreeMap<IncidentId, Incident>,
    /// Proposals.
    pub proposals: BTreeMap<ProposalId, ostler_core::proposal::Proposal>,
    /// Approvals.
    pub approvals: BTreeMap<ApprovalId, Approval>,
    /// Tokens by name; hashes only.
    pub tokens: BTreeMap<String, Token>,
}

/// One move of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum RecordChange {
    /// Opens an incident.
    OpenIncident {
        /// As it begins.
        incident: Box<Incident>,
    },
    /// Adds to an incident.
    NoteIncident {
        /// Which.
        incident: IncidentId,
        /// What, for the timeline.
        note: String,
        /// A cause found.
        cause: Option<Box<Cause>>,
        /// Where it stands now.
        state: Option<IncidentState>,
        /// What a shadow of the author made of it.
        #[serde(default)]
        shadow: Option<Shadowed>,
    },
    /// A person says that the believed cause was not it.
    CorrectIncident {
        /// Which.
        incident: IncidentId,
        /// What it was, where they know.
        cause: Option<CauseKind>,
        /// Why.
        reason: String,
    },
    /// Submits a proposal; the gate judges each call and asks for an approval where policy says so.
    SubmitProposal {
        /// Its new id.
        proposal: ProposalId,
        /// For which incident.
        incident: IncidentId,
        /// What is proposed.
        body: Box<ProposalBody>,
    },
    /// Says how far a proposal is.
    AdvanceProposal {
        /// Which.
        proposal: ProposalId,
        /// Where it stands now.
        state: ProposalState,
        /// Calls carried out so far.
        done: u32,
        /// What came of it.
        outcome: Option<String>,
    },
    /// A person's yes or no.
    Decide {
        /// To what.
        approval: ApprovalId,
        /// Yes or no.
        yes: bool,
        /// Why; required for a no.
        reason: String,
        /// Whether, with a no to a proposal, its author is to think of another plan.
        another: bool,
    },
    /// Makes a token. The gate makes the secret, stores its hash, and answers it once.
    CreateToken {
        /// Its name: the user's name in the audit log.
        name: String,
        /// What it may be.
        roles: Vec<Role>,
        /// When it ends.
        expires: Time,
    },
    /// Ends a token.
    RevokeToken {
        /// Which.
        name: String,
    },
    /// Another key signs the audit log from here on. The gate makes it.
    RotateAuditKey,
}

/// A request for a person's yes, and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The exact calls it is about, in order; each may be used once.
    pub calls: Vec<ApprovalCall>,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_at: Time,
    /// Until when a person may say yes.
    pub expires_at: Time,
    /// How long after the yes the calls may be made.
    pub valid_for: Span,
    /// The roles of which somebody must say yes.
    pub needs: Vec<Role>,
    /// Whether one of `needs` is enough; otherwise each, from different people.
    #[serde(default)]
    pub any: bool,
    /// Who said yes so far.
    #[serde(default)]
    pub yes: Vec<Yes>,
    /// Why policy asks.
    pub because: Vec<String>,
    /// Where it stands.
    pub state: ApprovalState,
    /// Who said yes or no.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Time>,
    /// Their words.
    pub reason: Option<String>,
    /// The proposal it belongs to.
    pub proposal: Option<ProposalId>,
    /// What it rests on: as long as this stands, the request means what was asked.
    #[serde(default)]
    pub base: Base,
}

/// One person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Yes {
    /// Who.
    pub by: String,
    /// As what.
    pub role: Role,
}

/// One exact call an approval is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalCall {
    /// The tool.
    pub tool: String,
    /// SHA-256 over canonical arguments, resulting change, base and policy version; hexadecimal.
    pub digest: String,
    /// What it would do, in words.
    pub summary: String,
    /// Whether it was used.
    pub used: bool,
    /// The arguments, without secrets; large ones as their hash and length.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::any_json")]
    pub arguments: Value,
    /// What it would change in each service, field by field.
    #[serde(default)]
    pub diff: Vec<ServiceDiff>,
    /// What it would change beside services: secrets (never their values), nodes, agents, restarts.
    #[serde(default)]
    pub beside: Vec<DiffLine>,
    /// Lines of the difference that are too many to be shown.
    #[serde(default)]
    pub omitted: u64,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Waits for a person.
    Waiting,
    /// Yes.
    Granted,
    /// No.
    Rejected,
    /// Every call was made.
    Used,
    /// Not decided or not used in time.
    Expired,
}

/// A bearer token for the HTTP door; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// The user's name.
    pub name: String,
    /// What it may be.
    pub roles: Vec<Role>,
    /// SHA-256 of the secret, hexadecimal. Never shown.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub hash: String,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
}
