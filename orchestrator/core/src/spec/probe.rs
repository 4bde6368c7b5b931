//! How to tell whether an instance started, lives, and may take traffic.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

/// The three questions; an absent one counts as answered yes once the process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Probes {
    /// Has it started? The other two wait for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// Does it live? Failing restarts the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    /// May it take traffic? Failing takes it out of rotation, no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
}

/// One question, asked again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// What to do.
    #[serde(flatten)]
    pub action: ProbeAction,
    /// Time between two tries, 100ms at least.
    #[serde(default = "ten_seconds")]
    pub period: Span,
    /// A try that takes longer has failed.
    #[serde(default = "one_second")]
    pub timeout: Span,
    /// Wait before the first try.
    #[serde(default = "zero")]
    pub initial_delay: Span,
    /// Failures in a row that make it failing.
    #[serde(default = "three")]
    pub failure_threshold: u32,
    /// Successes in a row that make it passing again.
    #[serde(default = "one")]
    pub success_threshold: u32,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProbeAction {
    /// GET; 200 to 399 is a yes.
    Http {
        /// The port inside the container.
        port: u16,
        /// The path, starting with a slash.
        path: String,
    },
    /// A connection that opens is a yes.
    Tcp {
        /// The port inside the container.
        port: u16,
    },
    /// A command inside the container; exit code 0 is a yes.
    Exec {
        /// The command and its arguments.
        command: Vec<String>,
    },
}

const fn ten_seconds() -> Span {
    Span::seconds(10)
}
const fn one_second() -> Span {
    Span::seconds(1)
}
const fn zero() -> Span {
    Span(0)
}
const fn three() -> u32 {
    3
}
const fn one() -> u32 {
    1
}
