//! What an agent, or a person, tunes of a service's scaling: for a while, and inside its bounds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    spec::{Scaling, Target},
    time::{Span, Time},
};

/// Most floors of one tuning.
pub const FLOORS_LIMIT: usize = 96;
/// A tuning says until when it holds, and that is not further away than this: whoever set it may
/// be gone by then.
pub const TUNING_LASTS_AT_MOST: Span = Span::minutes(7 * 24 * 60);

/// Targets and floors beside those of the spec. When it ends, the spec's own hold again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Take the place of the spec's target of the same signal, or stand beside them.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// At least so many instances at given times, such as before a peak.
    #[serde(default)]
    pub floors: Vec<Floor>,
    /// When all of it ends.
    pub until: Time,
}

/// At least so many instances for a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// From this moment.
    pub from: Time,
    /// To this one.
    pub until: Time,
    /// So many; the service's own bounds hold all the same.
    pub replicas: u32,
}

impl Tuning {
    /// Whether it holds at a moment.
    #[must_use]
    pub fn holds(&self, now: Time) -> bool {
        now < self.until
    }

    /// The highest floor of that moment.
    #[must_use]
    pub fn floor(&self, now: Time) -> Option<&Floor> {
        self.floors
            .iter()
            .filter(|floor| floor.from <= now && now < floor.until)
            .max_by_key(|floor| floor.replicas)
    }

    /// When a floor begins or ends next, or all of it ends.
    pub(super) fn turns_at(&self, now: Time) -> Option<Time> {
        let ends = self
            .floors
            .iter()
            .flat_map(|floor| [floor.from, floor.until]);
        ends.chain([self.until]).filter(|at| *at > now).min()
    }
}

/// The targets that hold: the spec's, and what was tuned in their place or beside them.
pub(super) fn targets(scaling: &Scaling, tuning: Option<&Tuning>) -> Vec<Target> {
    let tuned = tuning
        .map(|tuning| tuning.targets.as_slice())
        .unwrap_or_default();
    let own = scaling
        .targets
        .iter()
        .filter(|own| !tuned.iter().any(|other| other.signal() == own.signal()));
    own.chain(tuned).copied().collect()
}
