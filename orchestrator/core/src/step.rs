//! What an executor can be asked to do: a closed enum. The executor chooses nothing.

use serde::{Deserialize, Serialize};

use crate::id::{Generation, InstanceId, NodeName, ServiceKey};

/// One thing to do, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Make a new instance on a node and start it (attempt 1).
    Place {
        /// Its id, new.
        instance: InstanceId,
        /// Whose.
        service: ServiceKey,
        /// From which generation's spec.
        generation: Generation,
        /// Where.
        node: NodeName,
        /// Why.
        reason: Reason,
    },
    /// Start an ended or failed instance again, keeping its address and volumes.
    Restart {
        /// Which.
        instance: InstanceId,
        /// The number of the attempt this makes.
        attempt: u32,
        /// Why.
        reason: Reason,
    },
    /// Ask a running instance to end; it stays until removed (or is restarted by a later plan).
    Stop {
        /// Which.
        instance: InstanceId,
        /// Why.
        reason: Reason,
    },
    /// Take away an ended instance with its files, address and cgroup.
    Remove {
        /// Which.
        instance: InstanceId,
        /// Why.
        reason: Reason,
    },
    /// Send a service's traffic to exactly these instances.
    Route {
        /// Whose traffic.
        service: ServiceKey,
        /// To whom, sorted; empty means nobody.
        instances: Vec<InstanceId>,
    },
}

/// Why a step was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Fewer instances than wanted.
    TooFew,
    /// More instances than wanted.
    TooMany,
    /// The process ended and the restart policy says again.
    Exited,
    /// The start failed and is tried again.
    StartFailed,
    /// The liveness probe fails.
    NotLive,
    /// Someone asked for a restart.
    Asked,
    /// A newer generation replaces it.
    Replaced,
    /// The rollout goes back.
    Reverted,
    /// The service is no longer wanted.
    Deleted,
    /// Its node is drained or gone.
    NodeLeaving,
    /// It ended and is not to be started again.
    Finished,
}
