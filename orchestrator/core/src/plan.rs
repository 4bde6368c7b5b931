//! What reconcile decided: steps, their reasons, what it saw on the way, when to look again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    analysis::{Judgement, Verdict},
    autoscale::Recommendation,
    id::{Generation, InstanceId, ServiceKey},
    observed::{ProblemKind, ResizeTrouble},
    rollout::{Mark, Stage},
    step::Step,
    time::Time,
};

/// A decision about the whole fleet at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "a plan that nobody executes changes nothing"]
pub struct Plan {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// Changes of the intent that the core itself asks the gate for.
    pub requests: Vec<Request>,
    /// How each service stands.
    pub report: BTreeMap<ServiceKey, ServiceStatus>,
    /// What the load wants of services that scale with it, and what holds that.
    pub scaling: BTreeMap<ServiceKey, Recommendation>,
    /// How new versions do that have a part in their service's traffic.
    pub analysis: BTreeMap<ServiceKey, Judged>,
    /// When something may be due without anything having happened.
    pub wake_at: Option<Time>,
}

/// A change of the intent that the core's own rules call for; the gate judges it like any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// The rollout finished.
    Settle {
        /// Of which service.
        service: ServiceKey,
        /// Which generation.
        generation: Generation,
    },
    /// The load wants another number of instances.
    Scale {
        /// Of which service.
        service: ServiceKey,
        /// The generation that was looked at.
        generation: Generation,
        /// Wanted instances when that was decided.
        from: u32,
        /// How many there should be.
        to: u32,
    },
    /// The rollout is due for its next mark.
    Advance {
        /// Of which service.
        service: ServiceKey,
        /// The generation that rolls out.
        generation: Generation,
        /// Where it stands.
        from: Mark,
        /// Where it is to stand.
        to: Mark,
        /// What could not be told of the version that goes on all the same, in words and numbers; absent where
        /// that was judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unjudged: Option<String>,
    },
    /// The rollout missed its deadline, or does harm: go back.
    Revert {
        /// Of which service.
        service: ServiceKey,
        /// The generation that failed.
        from: Generation,
        /// The last good one.
        to: Generation,
        /// Why, in words and numbers.
        why: String,
    },
}

/// How a new version does that has a part in its service's traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The generation that rolls out.
    pub generation: Generation,
    /// The stage that it was judged in.
    #[serde(flatten)]
    pub stage: Stage,
    /// By what.
    pub by: Basis,
}

/// What a new version is judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Whether its instances are ready and stay so, and nothing else.
    Readiness {
        /// Why not by its traffic.
        why: String,
    },
    /// Whether its instances are ready and stay so, and how often their runs fail, against those of the last good
    /// version before.
    Runs {
        /// Why not by its traffic.
        why: String,
        /// What the failed runs say; it fails or passes.
        judgement: Judgement,
    },
    /// Its traffic, against that of the last good version: over the same time in a step of a canary, and as it was
    /// before the promotion in blue/green.
    Traffic {
        /// Since when is counted; the moment itself where nothing is counted yet.
        since: Time,
        /// What that says.
        judgement: Judgement,
    },
}

impl Judged {
    /// For people, in one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.by {
            Basis::Traffic { judgement, .. } => judgement.in_words(),
            Basis::Runs { judgement, .. } if judgement.verdict == Verdict::Fail => {
                judgement.in_words()
            }
            Basis::Readiness { .. } | Basis::Runs { .. } => self.headline(),
        }
    }

    /// What all of it says, without the numbers.
    #[must_use]
    pub fn headline(&self) -> String {
        match &self.by {
            Basis::Readiness { why } => format!("judged by readiness alone: {why}"),
            Basis::Runs { why, judgement } => {
                let verdict = judgement.verdict.in_words();
                format!("{verdict}, judged by readiness and failed runs: {why}")
            }
            Basis::Traffic { judgement, .. } => judgement.verdict.in_words().to_owned(),
        }
    }

    /// What was weighed, where anything was.
    #[must_use]
    pub const fn judgement(&self) -> Option<&Judgement> {
        match &self.by {
            Basis::Readiness { .. } => None,
            Basis::Runs { judgement, .. } | Basis::Traffic { judgement, .. } => Some(judgement),
        }
    }
}

/// How one service stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// In one word.
    pub state: ServiceState,
    /// Wanted instances.
    pub wanted: u32,
    /// Running instances, any generation.
    pub running: u32,
    /// Ready instances, any generation.
    pub ready: u32,
    /// Running instances as the current generation makes them.
    pub updated: u32,
    /// What rules found and cannot settle by themselves, or are busy settling.
    pub findings: Vec<Finding>,
}

/// A service's state in one word.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// As wanted.
    Healthy,
    /// On the way: starting, scaling or updating, nothing wrong.
    Progressing,
    /// Takes traffic, but not as wanted.
    Degraded,
    /// Takes no traffic although it should.
    Down,
    /// Nothing is wanted and nothing runs.
    Idle,
}

/// Something reconcile noticed about a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// It waits for services that it needs.
    WaitsFor {
        /// Which.
        needs: Vec<ServiceKey>,
    },
    /// An instance fails again and again.
    CrashLoop {
        /// Which.
        instance: InstanceId,
        /// Failures without a reset.
        failures: u32,
        /// When it is tried again.
        retry_at: Time,
    },
    /// An instance cannot be started.
    CannotStart {
        /// Which.
        instance: InstanceId,
        /// Why.
        problem: ProblemKind,
        /// When it is tried again.
        retry_at: Time,
    },
    /// An instance runs but is not ready.
    NotReady {
        /// Which.
        instance: InstanceId,
        /// Since when.
        since: Time,
    },
    /// A new generation is on its way in.
    Rollout {
        /// The new generation.
        generation: Generation,
        /// When it must have settled.
        deadline: Time,
    },
    /// An instance runs on with its earlier resources until it can get the new ones.
    NotResized {
        /// Which.
        instance: InstanceId,
        /// Why.
        why: ResizeTrouble,
        /// When it is tried again.
        retry_at: Time,
    },
    /// No node has room.
    NoRoom {
        /// How many instances wait.
        missing: u32,
    },
}
