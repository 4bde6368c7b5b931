//! Volumes, config files and secret files of a service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{SecretName, ServiceName},
    units::Bytes,
};

/// Storage mounted into every instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Where it is mounted: an absolute path inside the container.
    pub mount: String,
    /// What is mounted.
    pub source: VolumeSource,
    /// Whether writing is refused.
    #[serde(default)]
    pub read_only: bool,
}

impl Volume {
    /// Whether it is a directory of the host.
    #[must_use]
    pub fn is_host(&self) -> bool {
        matches!(self.source, VolumeSource::Host { .. })
    }

    /// Whether it opens the same directory of the host as another, for at least as much.
    #[must_use]
    pub fn gives_host_path_of(&self, other: &Self) -> bool {
        self.is_host() && self.source == other.source && (!self.read_only || other.read_only)
    }
}

/// What a volume is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum VolumeSource {
    /// Kept by Ostler under this name within the namespace; outlives instances and services.
    Named {
        /// The volume's name.
        name: ServiceName,
        /// Size at which it counts as full in signals; not enforced by the backend.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capacity: Option<Bytes>,
    },
    /// A directory of the host that exists already.
    Host {
        /// Absolute path on the host.
        path: String,
    },
    /// Memory-backed scratch space, gone with the instance.
    Memory {
        /// Its size.
        size: Bytes,
    },
}

/// A file placed into the container, read-only, mode 0444.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigFile {
    /// Absolute path inside the container.
    pub path: String,
    /// The content, 1 MiB at most.
    pub content: String,
}

/// A secret delivered as a file, mode 0400, on memory-backed storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretMount {
    /// The secret's name in the service's namespace.
    pub secret: SecretName,
    /// Absolute path inside the container; `/run/secrets/NAME` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
