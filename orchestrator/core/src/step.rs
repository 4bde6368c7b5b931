//! What an executor can be asked to do: a closed enum. The executor chooses nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Generation, InstanceId, NodeName, ServiceKey},
    units::MilliCpu,
};

/// One thing to do, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
        /// The generation whose resources it gets on this occasion, where not its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<Generation>,
        /// Why.
        reason: Reason,
    },
    /// Give a running instance the resources of its service's current generation, in place.
    Resize {
        /// Which.
        instance: InstanceId,
        /// The generation whose resources it gets; all else is alike.
        generation: Generation,
        /// Why.
        reason: Reason,
    },
    /// Give a running instance so much CPU, in place: its service's load wants it. It stays what it is in all else.
    Follow {
        /// Which.
        instance: InstanceId,
        /// What it reserves from now on; a limit moves with it.
        cpu: MilliCpu,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// Its service's requests or limits changed.
    Resized,
}

impl Step {
    /// The step for people: `place cart-1a2b3c4d of shop/cart (generation 3) on node-1: too few`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Place {
                instance,
                service,
                generation,
                node,
                reason,
            } => {
                let reason = reason.in_words();
                format!(
                    "place {instance} of {service} (generation {generation}) on {node}: {reason}"
                )
            }
            Self::Restart {
                instance,
                attempt,
                generation,
                reason,
            } => {
                let size = generation.map_or_else(String::new, |generation| {
                    format!(", resources of generation {generation}")
                });
                format!(
                    "restart {instance} (attempt {attempt}{size}): {}",
                    reason.in_words()
                )
            }
            Self::Resize {
                instance,
                generation,
                reason,
            } => {
                format!(
                    "resize {instance} in place to generation {generation}: {}",
                    reason.in_words()
                )
            }
            Self::Follow { instance, cpu } => {
                format!("give {instance} {cpu} of CPU in place: its load wants that")
            }
            Self::Stop { instance, reason } => format!("stop {instance}: {}", reason.in_words()),
            Self::Remove { instance, reason } => {
                format!("remove {instance}: {}", reason.in_words())
            }
            Self::Route { service, instances } if instances.is_empty() => {
                format!("route {service} to nobody")
            }
            Self::Route { service, instances } => {
                let names: Vec<&str> = instances.iter().map(InstanceId::as_str).collect();
                format!("route {service} to {}", names.join(", "))
            }
        }
    }

    /// The instance it is about; routes are about a service.
    #[must_use]
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Place { instance, .. }
            | Self::Restart { instance, .. }
            | Self::Resize { instance, .. }
            | Self::Follow { instance, .. }
            | Self::Stop { instance, .. }
            | Self::Remove { instance, .. } => Some(instance),
            Self::Route { .. } => None,
        }
    }
}

impl Reason {
    /// The reason for people.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::TooFew => "too few",
            Self::TooMany => "too many",
            Self::Exited => "it ended",
            Self::StartFailed => "the start failed",
            Self::NotLive => "its liveness probe fails",
            Self::Asked => "someone asked",
            Self::Replaced => "a newer generation replaces it",
            Self::Reverted => "the rollout goes back",
            Self::Deleted => "the service was deleted",
            Self::NodeLeaving => "its node is being emptied",
            Self::Finished => "it has finished",
            Self::Resized => "its resources changed",
        }
    }
}
