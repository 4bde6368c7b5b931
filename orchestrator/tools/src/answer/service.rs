//! Answers about services.

use std::collections::BTreeMap;

use ostler_core::{
    autoscale::{Recommendation, Tuning},
    event::Event,
    facts::DiffLine,
    id::{Generation, InstanceId, Revision, ServiceKey},
    intent::SecretKey,
    plan::{Finding, ServiceState},
    signal::SignalKind,
    spec::{ServiceSpec, Until},
    time::Time,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InstanceInfo, RolloutInfo};
use crate::price::Cost;

/// Services at a glance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Services {
    /// The intent's revision.
    pub revision: Revision,
    /// In order of name.
    pub services: Vec<ServiceSummary>,
}

/// One service at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceSummary {
    /// Its full name.
    pub service: ServiceKey,
    /// How it stands; absent while nothing is known yet.
    pub state: Option<ServiceState>,
    /// Wanted instances.
    pub wanted: u32,
    /// Running instances, any generation.
    pub running: u32,
    /// Ready instances, any generation.
    pub ready: u32,
    /// Running instances of the current generation.
    pub updated: u32,
    /// The current generation of its spec.
    #[schemars(with = "u64")]
    pub generation: Generation,
    /// Whether the current generation's rollout finished.
    pub settled: bool,
    /// What its rollout waits for of somebody, in words; absent where it goes on by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_waits: Option<String>,
    /// When the current generation was asked for.
    pub changed_at: Time,
    /// Its image.
    pub image: String,
    /// Starts after the first, summed over its instances.
    pub restarts: u32,
    /// What rules found and cannot settle by themselves, or are busy settling.
    pub findings: Vec<Finding>,
    /// What the wanted instances cost by what they reserve, where the operator gave prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// One service in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceDetail {
    /// At a glance.
    pub summary: ServiceSummary,
    /// Words for selection.
    pub labels: BTreeMap<String, String>,
    /// What it should be. Values of environment variables are shown; secrets are names only.
    pub spec: ServiceSpec,
    /// Its instances, in order of id.
    pub instances: Vec<InstanceInfo>,
    /// Instances that take its traffic now.
    pub in_rotation: Vec<InstanceId>,
    /// Services that it needs, and how they stand.
    pub needs: Vec<NeedState>,
    /// Services that need it directly.
    pub needed_by: Vec<ServiceKey>,
    /// Services that would feel its loss: those that need it, directly or not.
    pub blast_radius: Vec<ServiceKey>,
    /// Its generations, the current one first, then newest first.
    pub generations: Vec<GenerationInfo>,
    /// How its current generation comes in; absent when nothing rolls out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutInfo>,
    /// How many instances its load wants, and what holds that; absent where it does not scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Recommendation>,
    /// What was tuned of its scaling, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// Secrets that it names and nobody put.
    pub missing_secrets: Vec<SecretKey>,
    /// Its last events, oldest first, 30 at most; among them changes of its spec.
    pub events: Vec<Event>,
    /// Kinds of signals known of it; query them with `query_signals`.
    pub signals: Vec<SignalKind>,
    /// JSON pointers into this answer whose text came from workloads.
    pub untrusted: Vec<String>,
}

/// A service that another needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NeedState {
    /// Which.
    pub service: ServiceKey,
    /// What it must have reached first.
    pub until: Until,
    /// How it stands; absent while nothing is known.
    pub state: Option<ServiceState>,
}

/// One generation of a service's spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GenerationInfo {
    /// Its number.
    #[schemars(with = "u64")]
    pub generation: Generation,
    /// When it was asked for.
    pub changed_at: Time,
    /// Its image.
    pub image: String,
    /// Whether it is the current one.
    pub current: bool,
    /// Whether it is the last one whose rollout finished.
    pub last_good: bool,
    /// What going back to it would change: `from` is the current generation, `to` is this one.
    /// Empty for the current one.
    pub rollback: Vec<DiffLine>,
}
