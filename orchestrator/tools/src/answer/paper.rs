//! Answers about paperwork: incidents, proposals, approvals.

use std::collections::BTreeSet;

use ostler_core::{
    id::{ApprovalId, IncidentId, ProposalId, Revision, ServiceKey},
    incident::{CauseKind, Correction, Incident, IncidentState},
    proposal::{Proposal, ProposalState},
    sim::Forecast,
    time::Time,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Approval, ApprovalState};

/// Incidents, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incidents {
    /// Newest first.
    pub incidents: Vec<IncidentSummary>,
}

/// One incident at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentSummary {
    /// Its id.
    pub id: IncidentId,
    /// The service that shows the symptom.
    pub service: ServiceKey,
    /// What it stands at.
    pub state: IncidentState,
    /// One line for people.
    pub title: String,
    /// When it was opened.
    pub opened_at: Time,
    /// When it was closed.
    pub closed_at: Option<Time>,
    /// The kind of cause that is believed in.
    pub cause: Option<CauseKind>,
    /// The service at fault.
    pub culprit: Option<ServiceKey>,
    /// From 0 to 1.
    pub confidence: Option<f64>,
    /// Proposals made for it, oldest first.
    pub proposals: Vec<ProposalId>,
    /// The kinds of symptoms that were seen.
    #[serde(default)]
    pub symptoms: BTreeSet<String>,
    /// What a person said of the cause that was believed in.
    #[serde(default)]
    pub correction: Option<Correction>,
}

/// One incident in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentDetail {
    /// The incident: cause, evidence, timeline.
    pub incident: Incident,
    /// Its proposals at a glance, oldest first.
    pub proposals: Vec<ProposalSummary>,
}

/// What opening or noting an incident answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentTouched {
    /// Which.
    pub incident: IncidentId,
    /// Where it stands now.
    pub state: IncidentState,
}

/// Proposals, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proposals {
    /// Newest first.
    pub proposals: Vec<ProposalSummary>,
}

/// One proposal at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalSummary {
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
    /// One line for people.
    pub title: String,
    /// The tools it would call, in order.
    pub calls: Vec<String>,
    /// The approval that it waits for or used.
    pub approval: Option<ApprovalId>,
    /// What came of it.
    pub outcome: Option<String>,
}

/// One proposal in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalDetail {
    /// The proposal: cause, evidence, calls, expected effect, how to verify.
    pub proposal: Proposal,
    /// The approval that it waits for or used.
    pub approval: Option<Approval>,
    /// What its calls would lead to, tried on a fork of the fleet as it is now; absent once they
    /// were begun or the proposal is over.
    #[serde(default)]
    pub forecast: Option<Foretold>,
}

/// What a proposal's calls would lead to, tried on a fork of the fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Foretold {
    /// The intent's revision it was tried on.
    pub revision: Revision,
    /// When.
    pub at: Time,
    /// In one line; where nothing can be foretold, why.
    pub words: String,
    /// The forecast; absent where nothing can be foretold.
    pub forecast: Option<Forecast>,
}

/// What submitting or advancing a proposal answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposalTouched {
    /// Which.
    pub proposal: ProposalId,
    /// Where it stands now: `approved` when policy lets the calls be made at once, `waiting` when a person must say yes.
    pub state: ProposalState,
    /// What a person must say yes to.
    pub approval: Option<ApprovalId>,
    /// What policy said, in words.
    pub words: String,
}

/// Approvals, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approvals {
    /// Newest first.
    pub approvals: Vec<Approval>,
}

/// What a person's yes or no answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// To what.
    pub approval: ApprovalId,
    /// Where it stands now.
    pub state: ApprovalState,
    /// The proposal it belongs to.
    pub proposal: Option<ProposalId>,
}
