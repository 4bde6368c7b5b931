//! How many instances a service needs for the load it has: a pure rule, no agent and no memory.
//!
//! Target tracking: the load of all instances, divided by what one should carry. Growing looks at
//! the median of a short window, shrinking at the peak of a long one, so that a dip is no reason to
//! shrink and a spike no reason to grow (the same asymmetry as Kubernetes' stabilisation windows,
//! but over the load itself, so nothing has to be remembered between two calls). A band of 10 % is
//! left alone, a change is bounded by a factor, and two changes are some time apart.
//!
//! It never shrinks on what it does not know: stale, missing or partial samples hold it where it
//! is. The service's bounds hold whatever anybody asks for.

mod line;
mod load;
mod rule;
pub mod size;
mod tuning;

pub use line::Line;
pub use load::{AHEAD, GAP_AFTER, Load, STALE_AFTER, Sample};
pub use rule::recommend;
pub use tuning::{FLOORS_LIMIT, Floor, TUNING_LASTS_AT_MOST, Tuning};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    signal::SignalKind,
    spec::{Replicas, Scaling},
    time::{Span, Time},
    units::MilliCpu,
};

/// Load may differ from the target by this share before anything is changed.
pub const TOLERANCE: f64 = 0.1;
/// However small the service, one change may always add so many instances.
pub const STEP_AT_LEAST: u32 = 4;
/// Instances that use no CPU at all are believed to be idle after this long: a counter that began anew looks the same.
pub const IDLE_AFTER: Span = Span::minutes(15);
/// Nothing shrinks while latency was above this share of its target within the long window.
pub const LATENCY_EASY: f64 = 0.8;

/// All that the rule looks at.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// What the user wants.
    pub scaling: &'a Scaling,
    /// What an agent or a person tuned, if it still holds.
    pub tuning: Option<&'a Tuning>,
    /// The bounds that nobody may leave.
    pub bounds: Replicas,
    /// CPU that one instance reserves: what a share of CPU is a share of.
    pub cpu_request: Option<MilliCpu>,
    /// Wanted instances now.
    pub replicas: u32,
    /// Instances that take traffic.
    pub ready: u32,
    /// Whether nothing else moves: no rollout, no drain, no instance to come that has no room.
    pub standing: Standing,
    /// The load as seen; `None` where nobody collects it.
    pub load: Option<&'a Load>,
    /// The moment.
    pub now: Time,
}

/// What else goes on with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Steady,
    /// Instances are being replaced: it may grow, not shrink.
    Moving,
    /// No node has room for what is wanted already: it may not grow.
    NoRoom,
}

/// How many instances there should be, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// How many there should be now, inside the bounds.
    pub replicas: u32,
    /// What each target and floor would want, if nothing held it.
    pub wants: Vec<Want>,
    /// What kept it from following them; nothing where it follows.
    pub held: Option<Hold>,
    /// CPU that all instances together need, where CPU follows the load and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<size::Need>,
    /// When the rule should look again, if it waits for a moment.
    pub again_at: Option<Time>,
}

/// What one reason would want.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "want", rename_all = "snake_case")]
pub enum Want {
    /// A target.
    Target {
        /// Its signal.
        signal: SignalKind,
        /// The load that it went by: the sum over all instances, or latency in seconds.
        load: f64,
        /// What one instance should carry.
        each: f64,
        /// So many instances.
        replicas: u32,
    },
    /// A floor that was set ahead.
    Floor {
        /// Until when.
        until: Time,
        /// So many instances.
        replicas: u32,
    },
}

/// Why the number stays although something would want another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "hold", rename_all = "snake_case")]
pub enum Hold {
    /// No target, or none that is known of.
    NoSignal,
    /// The newest sample is too old.
    Stale,
    /// The long window has holes, or not every instance told: nothing shrinks on that.
    Unsure,
    /// It was changed a moment ago.
    Cooling {
        /// Until when.
        until: Time,
    },
    /// Not every wanted instance is ready, or instances are being replaced: nothing shrinks.
    Unready,
    /// No node has room: nothing grows.
    NoRoom,
    /// Latency was close to its bound a while ago: nothing shrinks.
    Latency,
    /// It was set to zero by hand.
    Off,
}
