//! CPU, memory and process counts: what is reserved and what is the limit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, MilliCpu};

/// What an instance reserves and what it may use at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// Reserved when placing; not enforced.
    pub requests: Amounts,
    /// Enforced by cgroups; no limit where absent, except 4096 processes.
    pub limits: Amounts,
}

/// One set of amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Amounts {
    /// CPU time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<MilliCpu>,
    /// Memory; the limit includes the page cache the instance dirties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}
