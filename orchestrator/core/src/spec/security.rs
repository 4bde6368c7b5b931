//! How tightly an instance is held, beyond what holds for every container.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits beyond the usual ones. Always in force: own namespaces, a seccomp filter, masked paths,
/// no new privileges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Security {
    /// Whether the root file system refuses writing; volumes and `/dev/shm` do not.
    #[serde(default)]
    pub read_only_root: bool,
    /// What root inside may do.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// What root inside a container may do (Linux capabilities).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Capabilities {
    /// The set that container engines usually grant.
    #[default]
    Usual,
    /// Nothing at all.
    None,
}
