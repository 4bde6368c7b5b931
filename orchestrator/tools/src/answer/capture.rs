//! Answers about captures: what the world around an incident looked like when it was opened.
//!
//! Secrets were taken out before it was kept; `left_out` says what else is not there.

use std::collections::BTreeSet;

use ostler_core::{
    event::Event,
    id::{Generation, IncidentId, InstanceId, NodeName, ServiceKey},
    incident::{CauseKind, Incident},
    intent::SecretKey,
    observed::{InstanceSeen, NodeSeen},
    proposal::ProposalState,
    signal::{Point, SignalKind},
    spec::ServiceSpec,
    time::Time,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LogLine, PastChangeInfo};

/// An incident with what the world around it looked like when it was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentExport {
    /// The incident as it stands now, without secrets.
    pub incident: Incident,
    /// What was proposed for it, oldest first.
    pub proposals: Vec<Proposed>,
    /// What the world looked like.
    pub capture: Capture,
    /// JSON pointers into this answer whose text came from workloads.
    pub untrusted: Vec<String>,
}

/// A proposal in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposed {
    /// The kind of cause that it answers.
    pub cause: CauseKind,
    /// The service at fault.
    pub culprit: ServiceKey,
    /// The tools that it calls, in order.
    pub tools: Vec<String>,
    /// What it stands at.
    pub state: ProposalState,
}

/// A part of the world at one moment. 512 KiB of JSON at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capture {
    /// For which incident.
    pub incident: IncidentId,
    /// The moment.
    pub at: Time,
    /// The incident's service, then those it is tied to by needs, nearest first, then those that
    /// share a node with it; 40 at most.
    pub services: Vec<CapturedService>,
    /// The nodes that their instances are on.
    pub nodes: Vec<CapturedNode>,
    /// Changes of the last six hours that touched these services, newest first; 100 at most.
    pub changes: Vec<PastChangeInfo>,
    /// Ends and failed starts of their instances, also of those that are gone, oldest first.
    pub events: Vec<Event>,
    /// Incidents that were over, newest first; 20 at most.
    pub past: Vec<CapturedPast>,
    /// Secrets that existed in their namespaces, by name.
    pub secrets: Vec<SecretKey>,
    /// What is not there, in words.
    pub left_out: Vec<String>,
}

/// A service with what runs of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapturedService {
    /// Its full name.
    pub service: ServiceKey,
    /// The current generation.
    #[schemars(with = "u64")]
    pub generation: Generation,
    /// When it was asked for.
    pub changed_at: Time,
    /// Whether its rollout finished.
    pub settled: bool,
    /// Wanted instances.
    pub replicas: u32,
    /// What it should be.
    pub spec: ServiceSpec,
    /// Generations before, newest first.
    pub earlier: Vec<CapturedGeneration>,
    /// What was measured of it in the last ten minutes.
    pub signals: Vec<CapturedSeries>,
    /// Its instances, in order of id.
    pub instances: Vec<CapturedInstance>,
}

/// A generation that was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapturedGeneration {
    /// Its number.
    #[schemars(with = "u64")]
    pub generation: Generation,
    /// When it was asked for.
    pub changed_at: Time,
    /// Whether it is the last one whose rollout finished.
    pub last_good: bool,
    /// What it was.
    pub spec: ServiceSpec,
}

/// An instance with what was measured of it and what it wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapturedInstance {
    /// Its id.
    pub instance: InstanceId,
    /// What was seen of it.
    pub seen: InstanceSeen,
    /// What was measured of it in the last ten minutes.
    pub signals: Vec<CapturedSeries>,
    /// Its last lines, oldest first; 200 at most, cut at 500 characters each.
    pub untrusted_lines: Vec<LogLine>,
}

/// A node with what was measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapturedNode {
    /// Its name.
    pub node: NodeName,
    /// What was seen of it; absent where it was not known.
    pub seen: Option<NodeSeen>,
    /// Whether it takes no new instances.
    pub cordoned: bool,
    /// Whether it should be empty.
    pub draining: bool,
    /// What was measured of it in the last ten minutes.
    pub signals: Vec<CapturedSeries>,
}

/// One series: 60 points at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapturedSeries {
    /// What it measures.
    pub kind: SignalKind,
    /// The values, oldest first.
    pub points: Vec<Point>,
}

/// An incident that was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapturedPast {
    /// When it was opened.
    pub opened_at: Time,
    /// The service that showed the symptoms and was at fault.
    pub service: ServiceKey,
    /// The kinds of symptoms.
    pub symptoms: BTreeSet<String>,
    /// What was believed to be the cause.
    pub cause: CauseKind,
    /// The tool that was proposed last.
    pub tool: String,
    /// What became of the proposal.
    pub became: ProposalState,
    /// In a person's words, why that was not the cause.
    pub corrected: Option<String>,
}
