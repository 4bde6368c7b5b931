//! What happened to the fleet, as people read it. Bounded, in memory; the audit is elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Generation, InstanceId, ServiceKey},
    observed::{Exit, Problem, ResizeTrouble},
    step::Reason,
    time::{Span, Time},
};

/// One happening, numbered in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its number: one more than the one before, within one run of the daemon.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// About which service.
    pub service: Option<ServiceKey>,
    /// About which instance.
    pub instance: Option<InstanceId>,
    /// What.
    pub what: Happening,
}

/// What can happen. Text inside comes from workloads at worst, is capped and never acted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// A new instance was placed.
    Placed {
        /// From which generation.
        #[schemars(with = "u64")]
        generation: Generation,
    },
    /// An instance's process began to run.
    Started {
        /// Which attempt.
        attempt: u32,
        /// From the order to running.
        took: Span,
    },
    /// An instance's process ended.
    Exited {
        /// How.
        exit: Exit,
        /// In words, such as `exit code 1`.
        words: String,
    },
    /// An instance could not be started.
    StartFailed {
        /// Why.
        problem: Problem,
    },
    /// An instance is started again.
    Restarting {
        /// Which attempt follows.
        attempt: u32,
        /// Why.
        #[schemars(with = "String")]
        reason: Reason,
    },
    /// An instance got other resources while it runs.
    Resized {
        /// Those of which generation.
        #[schemars(with = "u64")]
        generation: Generation,
        /// From what to what, such as `memory limit 64Mi → 128Mi`.
        words: String,
    },
    /// An instance could not get other resources, and keeps those that it has.
    NotResized {
        /// Those of which generation.
        #[schemars(with = "u64")]
        generation: Generation,
        /// Why not.
        #[schemars(with = "String")]
        why: ResizeTrouble,
        /// The backend's words.
        detail: String,
    },
    /// An instance was asked to end.
    Stopping {
        /// Why.
        #[schemars(with = "String")]
        reason: Reason,
    },
    /// An instance was taken away.
    Removed,
    /// What an earlier daemon left of an instance could not be taken over as it was.
    NotAdopted {
        /// What is wrong, and what was done.
        problem: Problem,
    },
    /// A probe changed its answer.
    Probed {
        /// `startup`, `liveness` or `readiness`.
        probe: String,
        /// Whether it passes now.
        passes: bool,
        /// What the last try said.
        detail: String,
    },
    /// A service's state changed.
    StateChanged {
        /// Before, absent for a new service.
        from: Option<crate::plan::ServiceState>,
        /// Now.
        to: crate::plan::ServiceState,
    },
    /// The intent changed.
    Changed {
        /// The tool that asked.
        tool: String,
        /// Who asked.
        principal: String,
        /// In words.
        summary: String,
        /// The revision it made.
        revision: u64,
    },
    /// The rules asked for a version to be left for the last good one.
    SentBack {
        /// Which generation is left.
        #[schemars(with = "u64")]
        generation: Generation,
        /// Why, in words and numbers.
        why: String,
    },
    /// A version that had all the traffic is kept, and its traffic could not say whether it does harm.
    Unjudged {
        /// Which generation is kept.
        #[schemars(with = "u64")]
        generation: Generation,
        /// What could not be told, in words and numbers.
        why: String,
    },
    /// A plan broke an invariant and was not executed.
    PlanRefused {
        /// Which invariants, in words.
        violations: Vec<String>,
    },
    /// The daemon read its configuration anew, or refused to.
    Configured {
        /// In words.
        what: String,
    },
    /// An agent's process started, stopped, was paused or failed.
    Agent {
        /// Which agent.
        agent: String,
        /// In words.
        what: String,
    },
}
