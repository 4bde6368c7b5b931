//! A bundle's services, as wanted now and before, and its machines.

use ostler_core::{
    id::{NodeName, ServiceKey},
    spec::ServiceSpec,
    time::Span,
    units::{Bytes, MilliCpu},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instance::is_no;

/// A service as wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceIn {
    /// Its name.
    pub service: ServiceKey,
    /// The current generation's number.
    #[serde(default = "one")]
    pub generation: u64,
    /// How long ago it was asked for.
    pub changed: Span,
    /// Whether its rollout finished.
    #[serde(default = "yes")]
    pub settled: bool,
    /// Wanted instances; as few as the spec allows when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// What it should be.
    pub spec: ServiceSpec,
    /// Generations before, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierIn>,
}

/// A generation that was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlierIn {
    /// Its number.
    pub generation: u64,
    /// How long ago it was asked for.
    pub changed: Span,
    /// Whether its rollout finished and it is the last that did.
    #[serde(default)]
    pub good: bool,
    /// How it differed from the current spec: a JSON merge patch (RFC 7396).
    pub differs: serde_json::Value,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeIn {
    /// Its name.
    pub node: NodeName,
    /// Whether it answers and can run instances.
    #[serde(default = "yes")]
    pub ready: bool,
    /// CPU that may be requested on it.
    pub cpu: MilliCpu,
    /// Memory that may be requested on it.
    pub memory: Bytes,
    /// Most instances on it.
    pub max_instances: u32,
    /// Whether it takes no new instances.
    #[serde(default, skip_serializing_if = "is_no")]
    pub cordoned: bool,
    /// Whether it should be empty.
    #[serde(default, skip_serializing_if = "is_no")]
    pub draining: bool,
}

pub(super) const fn one() -> u64 {
    1
}

const fn yes() -> bool {
    true
}
