//! A bundle's instances as they were seen, with their ends and what their probes answer.

use ostler_core::{
    id::{InstanceId, NodeName, ServiceKey},
    observed::{Phase, Problem},
    time::Span,
    units::{Bytes, MilliCpu},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service::one;

/// An instance as seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceIn {
    /// Its id.
    pub id: InstanceId,
    /// Whose.
    pub service: ServiceKey,
    /// From which generation.
    #[serde(default = "one")]
    pub generation: u64,
    /// Where; on `node-1` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// What it is doing.
    #[serde(default = "running")]
    pub phase: PhaseIn,
    /// How long ago it was first placed; when it first began to run, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Span>,
    /// How long ago the phase began; with its last start or end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Span>,
    /// How often it was started; as its ends tell when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How long ago the current or last attempt began to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Span>,
    /// What it reserves; a tenth of a CPU and 64 MiB when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserves: Option<ReservesIn>,
    /// What each probe answers; with this, `not_ready` says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<ProbesIn>,
    /// Whether its probes pass; when not, since when they say no and what the last try said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_ready: Option<NotReadyIn>,
    /// Its ends, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exits: Vec<ExitIn>,
}

impl InstanceIn {
    /// Where it is: most bundles play on one machine and do not say.
    pub(crate) fn node(&self) -> Result<NodeName, String> {
        match &self.node {
            Some(node) => Ok(node.clone()),
            None => NodeName::new("node-1").map_err(|error| error.to_string()),
        }
    }
}

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseIn {
    /// It is being prepared.
    Starting,
    /// It was asked to end.
    Stopping,
    /// Its node does not answer.
    Unknown,
    /// Its process runs.
    Running,
    /// Its process ended.
    Ended,
    /// It could not be started.
    Failed(Problem),
}

impl PhaseIn {
    /// As the core says it.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Starting => Phase::Starting,
            Self::Stopping => Phase::Stopping,
            Self::Unknown => Phase::Unknown,
            Self::Running => Phase::Running,
            Self::Ended => Phase::Ended,
            Self::Failed(problem) => Phase::Failed {
                problem: problem.clone(),
            },
        }
    }
}

/// A probe that says no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotReadyIn {
    /// Since how long.
    pub since: Span,
    /// What the last try said.
    pub reason: String,
}

/// One end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExitIn {
    /// How long ago.
    pub ago: Span,
    /// How long it had run.
    pub ran: Span,
    /// Exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether its memory was the reason.
    #[serde(default, skip_serializing_if = "is_no")]
    pub out_of_memory: bool,
    /// Whether it was asked to end.
    #[serde(default, skip_serializing_if = "is_no")]
    pub asked: bool,
    /// Whether a failed liveness probe was the reason: it was asked to end then.
    #[serde(default, skip_serializing_if = "is_no")]
    pub liveness: bool,
}

/// What an instance reserves on its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservesIn {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
}

/// What the probes of an instance answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbesIn {
    /// Has it started?
    pub startup: AnswerIn,
    /// Does it live?
    pub liveness: AnswerIn,
    /// May it take traffic?
    pub readiness: AnswerIn,
}

/// What one probe answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerIn {
    /// Not asked yet, or nothing to ask.
    Unknown,
    /// It passes since so long.
    Yes(Span),
    /// It fails.
    No(NotReadyIn),
}

/// An end or a failed start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventIn {
    /// How long ago.
    pub ago: Span,
    /// Of which service.
    pub service: ServiceKey,
    /// Of which instance.
    pub instance: InstanceId,
    /// What.
    pub what: EventKindIn,
}

/// What happened to an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKindIn {
    /// Its process ended.
    Exited(ExitIn),
    /// It could not be started.
    StartFailed(Problem),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
pub(super) const fn is_no(flag: &bool) -> bool {
    !*flag
}

const fn running() -> PhaseIn {
    PhaseIn::Running
}
