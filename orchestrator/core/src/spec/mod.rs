//! What a service should be, as people write it in YAML.
//!
//! Unknown fields are errors. `read` turns text into checked manifests; nothing is half-accepted.

mod amount;
mod amounts;
mod analysis;
mod check;
mod likeness;
mod probe;
mod read;
mod scaling;
mod security;
mod storage;
mod syntax;
mod update;
mod upgrades;

pub use amount::Amount;
pub use amounts::{Amounts, Resources};
pub use analysis::{Analysis, ErrorRatio, SlowRequests};
pub use check::{check, check_service, check_tuning};
pub use likeness::Likeness;
pub use probe::{Probe, ProbeAction, Probes};
pub use read::{InvalidManifest, Manifest, Metadata, json_schema, read_manifests};
pub use scaling::{FollowCpu, Pace, Queried, Scaling, TARGETS_LIMIT, Target};
pub use security::{Capabilities, Security};
pub use storage::{ConfigFile, SecretMount, Volume, VolumeSource};
pub use update::{BlueGreen, Canary, CanaryStep, Promotion, Strategy, Update};
pub use upgrades::{ByWhom, Criticality, Scheme, Track, Upgrades};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{SecretName, ServiceName},
    time::Span,
    units::{Bytes, MilliCpu},
};

/// The wanted shape of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpec {
    /// Image reference: `registry/name:tag`, `registry/name@sha256:…`, or a name imported before.
    pub image: String,
    /// Replaces the image's entrypoint when not empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Replaces the image's arguments when not empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment, added to the image's. Not for secrets: those are files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Absolute path; the image's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// `uid` or `uid:gid`; the image's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Ports that the service listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// How many instances.
    #[serde(default)]
    pub replicas: Replicas,
    /// Services that must be there first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// How to tell whether an instance started, lives, and may take traffic.
    #[serde(default)]
    pub probes: Probes,
    /// What an instance may use.
    #[serde(default)]
    pub resources: Resources,
    /// How tightly it is held, beyond what holds for every container.
    #[serde(default)]
    pub security: Security,
    /// When an ended instance is started again.
    #[serde(default)]
    pub restart: Restart,
    /// How a new generation replaces the old one.
    #[serde(default)]
    pub update: Update,
    /// How an instance is asked to end.
    #[serde(default)]
    pub stop: Stop,
    /// Storage that outlives an instance, or a path of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Files placed into the container, read-only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<ConfigFile>,
    /// Secrets delivered as files on memory-backed storage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretMount>,
    /// Where the service exposes Prometheus metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsEndpoint>,
    /// What the service promises its users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<Objectives>,
    /// How the number of instances follows the load; it stays as it is set when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// Which new versions of the image are wanted; nobody looks for any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<Upgrades>,
}

/// A port that the service listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// A label such as `http`.
    pub name: ServiceName,
    /// The port inside the container, 1 to 65535.
    pub port: u16,
    /// TCP when absent.
    #[serde(default)]
    pub protocol: Protocol,
    /// The host's port that leads here, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<u16>,
    /// What is spoken over it. With `http` a published port goes through the proxy, which shares
    /// requests by version and counts them; without it connections are shared by the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<AppProtocol>,
}

/// What is spoken over a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AppProtocol {
    /// HTTP/1.1, web sockets included.
    Http,
}

impl Port {
    /// Whether requests from outside come to it through the proxy.
    #[must_use]
    pub fn is_proxied(&self) -> bool {
        self.publish.is_some() && self.app_protocol == Some(AppProtocol::Http)
    }
}

/// Transport protocol of a port.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// How many instances: a starting count inside bounds that nobody may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replicas {
    /// Fewest instances that scaling may set, 0 to 10000.
    #[serde(default = "one")]
    pub min: u32,
    /// Most instances that scaling may set, at least `min` and 10000 at most.
    #[serde(default = "one")]
    pub max: u32,
}

const fn one() -> u32 {
    1
}

impl Default for Replicas {
    fn default() -> Self {
        Self { min: 1, max: 1 }
    }
}

/// A service that must be there first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Need {
    /// Its name, in the same namespace.
    pub service: ServiceName,
    /// What it must be before this one starts.
    #[serde(default)]
    pub until: Until,
}

/// What a needed service must have reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// At least one instance runs.
    Started,
    /// At least one instance is ready.
    #[default]
    Healthy,
}

/// When an ended instance is started again, and how patiently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Restart {
    /// Which ends lead to a restart.
    pub policy: RestartPolicy,
    /// Delay before the second restart; the first is immediate. Doubles with each failure.
    pub backoff: Span,
    /// Longest delay between restarts.
    pub max_backoff: Span,
    /// Running this long without failure resets the delay.
    pub reset_after: Span,
    /// This many failures without a reset is called a crash loop, 1 to 100.
    pub crash_loop_after: u32,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            policy: RestartPolicy::Always,
            backoff: Span::seconds(1),
            max_backoff: Span::minutes(5),
            reset_after: Span::minutes(2),
            crash_loop_after: 3,
        }
    }
}

/// Which ends of an instance lead to a restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RestartPolicy {
    /// Every end.
    #[default]
    Always,
    /// A non-zero exit code, a signal, or running out of memory.
    OnFailure,
    /// None.
    Never,
}

/// How an instance is asked to end: a signal, then patience, then SIGKILL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Stop {
    /// The polite signal; when absent the image's own, or SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<StopSignal>,
    /// How long to wait before SIGKILL.
    pub grace: Span,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            signal: None,
            grace: Span::seconds(10),
        }
    }
}

/// Signals that may ask an instance to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StopSignal {
    /// SIGTERM.
    #[default]
    #[serde(rename = "SIGTERM")]
    Term,
    /// SIGINT.
    #[serde(rename = "SIGINT")]
    Int,
    /// SIGQUIT.
    #[serde(rename = "SIGQUIT")]
    Quit,
    /// SIGHUP.
    #[serde(rename = "SIGHUP")]
    Hup,
    /// SIGUSR1.
    #[serde(rename = "SIGUSR1")]
    Usr1,
    /// SIGKILL at once.
    #[serde(rename = "SIGKILL")]
    Kill,
}

/// Where Prometheus metrics are exposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricsEndpoint {
    /// The port inside the container.
    pub port: u16,
    /// The path, `/metrics` when absent.
    #[serde(default = "metrics_path")]
    pub path: String,
}

fn metrics_path() -> String {
    "/metrics".to_owned()
}

/// What the service promises its users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objectives {
    /// Share of requests that succeed, in percent, such as `99.9`; above 0 and below 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<f64>,
    /// A latency promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyObjective>,
}

/// That share of requests is faster than `under`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyObjective {
    /// In percent, such as `99`; above 0 and below 100.
    pub quantile: f64,
    /// The bound.
    pub under: Span,
}

impl ServiceSpec {
    /// Whether requests from outside come to any of its ports through the proxy.
    #[must_use]
    pub fn is_proxied(&self) -> bool {
        self.ports.iter().any(Port::is_proxied)
    }

    /// The secrets that must exist before an instance can start.
    pub fn secret_names(&self) -> impl Iterator<Item = &SecretName> {
        self.secrets.iter().map(|mount| &mount.secret)
    }

    /// Whether instances keep data: a writable volume, named or of the host, makes a service stateful.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        self.volumes.iter().any(|volume| {
            let outlives = matches!(
                volume.source,
                VolumeSource::Named { .. } | VolumeSource::Host { .. }
            );
            outlives && !volume.read_only
        })
    }

    /// Whether CPU of its instances follows the load in place.
    #[must_use]
    pub fn follows_cpu(&self) -> bool {
        self.follow_cpu().is_some()
    }

    /// Within which bounds CPU of its instances follows the load, if it does.
    #[must_use]
    pub fn follow_cpu(&self) -> Option<&FollowCpu> {
        self.scaling.as_ref()?.cpu.as_ref()
    }

    /// CPU and memory that one instance reserves on its node: its requests, zero where absent.
    #[must_use]
    pub fn reserved(&self) -> (MilliCpu, Bytes) {
        self.resources.reserved()
    }
}
