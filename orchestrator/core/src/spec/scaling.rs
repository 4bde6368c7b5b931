//! How a service's capacity follows its load: what the user writes under `spec.scaling`.
//!
//! It steers Ostler, not the instance: changing it replaces nothing. The bounds are those of
//! `spec.replicas`; nothing here leads out of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{signal::SignalKind, time::Span, units::MilliCpu};

/// Most targets of one service.
pub const TARGETS_LIMIT: usize = 8;

/// What load to hold per instance, and how briskly to follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scaling {
    /// What each instance should carry; the target that wants most decides. With none, only what
    /// an agent or a person tunes is followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// CPU of each instance follows the load in place, beside the number of instances. Absent: it stays as reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<FollowCpu>,
    /// Signals that an existing Prometheus knows better: PromQL that brings one number for the whole
    /// service, such as `sum(rate(http_requests_total{service="shop"}[1m]))`. Latency in seconds, CPU
    /// in cores. The operator's configuration says which Prometheus is asked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<Queried, String>,
    /// How it grows.
    #[serde(default = "Pace::up")]
    pub up: Pace,
    /// How it shrinks.
    #[serde(default = "Pace::down")]
    pub down: Pace,
    /// Shrinks to zero after this long without any load; never when absent. Needs
    /// `spec.replicas.min: 0` and a target that is seen without instances to wake it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_zero_after: Option<Span>,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            cpu: None,
            queries: BTreeMap::new(),
            up: Pace::up(),
            down: Pace::down(),
            to_zero_after: None,
        }
    }
}

/// What one instance should carry of one signal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "signal",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Target {
    /// CPU used, in percent of `spec.resources.requests.cpu`: 1 to 400.
    Cpu {
        /// The share to hold.
        percent: f64,
    },
    /// Requests per second.
    RequestRate {
        /// The rate to hold, above 0.
        per_instance: f64,
    },
    /// Requests or jobs that wait.
    QueueDepth {
        /// The depth to hold, above 0.
        per_instance: f64,
    },
    /// The 99th percentile of latency; grows in steps while above it.
    Latency {
        /// The bound.
        under: Span,
    },
}

impl Target {
    /// The signal whose sum over all instances is the load; for latency the quantile itself.
    #[must_use]
    pub fn signal(&self) -> SignalKind {
        match self {
            Self::Cpu { .. } => SignalKind::CpuCores,
            Self::RequestRate { .. } => SignalKind::RequestRate,
            Self::QueueDepth { .. } => SignalKind::QueueDepth,
            Self::Latency { .. } => SignalKind::LatencyP99,
        }
    }
}

/// Bounds within which CPU of each instance follows the load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FollowCpu {
    /// Fewest CPUs of an instance, 10m or more.
    pub min: MilliCpu,
    /// Most CPUs of an instance; where several run on a node, its room is the bound too.
    pub max: MilliCpu,
    /// The share of its CPU that should be in use at the highest load that is expected, in percent: 20 to 95.
    #[serde(default = "FollowCpu::usual")]
    pub percent: f64,
}

impl FollowCpu {
    const fn usual() -> f64 {
        80.0
    }
}

/// A signal that can be asked of a Prometheus, named as the targets name it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Queried {
    /// CPU used by all instances, in cores.
    Cpu,
    /// Requests per second to all instances.
    RequestRate,
    /// Requests or jobs that wait.
    QueueDepth,
    /// The 99th percentile of latency, in seconds.
    Latency,
}

impl Queried {
    /// The signal it brings.
    #[must_use]
    pub fn signal(self) -> SignalKind {
        match self {
            Self::Cpu => SignalKind::CpuCores,
            Self::RequestRate => SignalKind::RequestRate,
            Self::QueueDepth => SignalKind::QueueDepth,
            Self::Latency => SignalKind::LatencyP99,
        }
    }
}

impl Scaling {
    /// Whether a Prometheus is asked for this signal.
    #[must_use]
    pub fn queries(&self, signal: SignalKind) -> bool {
        self.queries
            .keys()
            .any(|queried| queried.signal() == signal)
    }
}

/// How briskly capacity follows load in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pace {
    /// The stretch of time whose load counts, 10s to 1h: growing takes its median, shrinking its peak.
    pub window: Span,
    /// Time between two changes, 5s to 1h.
    pub every: Span,
    /// Most that one change multiplies by, 1.05 to 100 (growing), or divides by (shrinking).
    pub factor: f64,
}

impl Pace {
    /// Growing: half a minute decides, at most doubled every fifteen seconds.
    #[must_use]
    pub const fn up() -> Self {
        Self {
            window: Span::seconds(30),
            every: Span::seconds(15),
            factor: 2.0,
        }
    }

    /// Shrinking: five minutes decide, at most halved every minute.
    #[must_use]
    pub const fn down() -> Self {
        Self {
            window: Span::minutes(5),
            every: Span::minutes(1),
            factor: 2.0,
        }
    }
}
