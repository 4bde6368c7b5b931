//! Symptoms that belong together, with evidence, proposals, actions and outcome on one timeline.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{CallId, IncidentId, ProposalId, ServiceKey},
    shadow::Shadowed,
    time::Time,
};

/// An incident as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The service that shows the symptom.
    pub service: ServiceKey,
    /// What it stands at.
    pub state: IncidentState,
    /// One line for people.
    pub title: String,
    /// Who opened it.
    pub opened_by: String,
    /// When it was opened.
    pub opened_at: Time,
    /// When the symptom began, as far as evidence tells.
    pub began_at: Time,
    /// When it was closed.
    pub closed_at: Option<Time>,
    /// What is believed to be the cause.
    pub cause: Option<Cause>,
    /// Proposals made for it, oldest first.
    pub proposals: Vec<ProposalId>,
    /// What happened, oldest first, 200 entries at most.
    pub timeline: Vec<Entry>,
    /// The kinds of symptoms that were seen: by these it is found again.
    #[serde(default)]
    pub symptoms: BTreeSet<String>,
    /// What a person said of the cause that was believed in.
    #[serde(default)]
    pub correction: Option<Correction>,
}

/// A person's word on a believed cause: it was not that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Correction {
    /// Who says so.
    pub by: String,
    /// When.
    pub at: Time,
    /// What was believed.
    pub wrong: CauseKind,
    /// What it was, where they know.
    pub cause: Option<CauseKind>,
    /// In their words, 500 characters at most.
    pub words: String,
}

/// Most entries of an incident's timeline.
pub const TIMELINE_LIMIT: usize = 200;

/// What an incident stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Being looked into.
    Open,
    /// A proposal waits for a decision or is carried out.
    Proposed,
    /// The symptom is gone and that was verified.
    Resolved,
    /// Closed without a fix: it went away, or a person said so.
    Closed,
    /// Nobody but a person can help.
    NeedsPerson,
}

/// A believed cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The kind.
    pub kind: CauseKind,
    /// The service at fault, which need not be the one with the symptom.
    pub culprit: ServiceKey,
    /// From 0 to 1.
    pub confidence: f64,
    /// In words.
    pub explanation: String,
    /// What shows it.
    pub evidence: Vec<Evidence>,
}

/// Kinds of causes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A change of spec, image or config made it worse.
    BadChange,
    /// It needs more memory than its limit.
    OutOfMemory,
    /// Memory grows without bound.
    MemoryLeak,
    /// A service that it needs fails.
    FailingDependency,
    /// An instance lives but does not answer.
    Deadlock,
    /// A disk or volume is full.
    DiskFull,
    /// The image reference names nothing, or the image is broken.
    BadImage,
    /// A secret or config file that it needs is missing.
    MissingSecretOrConfig,
    /// The probe asks the wrong thing; the service itself works.
    BadProbe,
    /// The machine is short of CPU, memory or I/O.
    NodePressure,
    /// It gets more work than its instances can do.
    Saturated,
    /// It fails by itself, without a change that explains it.
    Crash,
    /// Nothing is wrong with it but that a newer version is there.
    Outdated,
    /// Nothing is wrong with it but that what it was given does not fit its load.
    Misprovisioned,
    /// Evidence does not settle it.
    Unknown,
}

/// A claim and the recorded call that showed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What is claimed. May quote untrusted text, capped at 500 characters.
    pub claim: String,
    /// The call whose answer shows it.
    pub call: CallId,
    /// Whether the claim quotes text that came from a workload.
    #[serde(default)]
    pub untrusted: bool,
}

/// One entry of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// Who.
    pub by: String,
    /// What, in words, 500 characters at most.
    pub what: String,
    /// What a shadow of the author made of the situation, where the entry is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadowed>,
}
