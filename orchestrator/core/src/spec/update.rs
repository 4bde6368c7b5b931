//! How a new generation replaces the old one, as people write it below `spec.update`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Amount, Analysis};
use crate::{time::Span, units::Percent};

/// How a new generation replaces the old one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Update {
    /// In which way: `rolling`, `recreate`, `canary: {…}` or `blueGreen: {…}`.
    #[serde(skip_serializing_if = "Strategy::is_rolling")]
    pub strategy: Strategy,
    /// Instances above the wanted count while replacing: a number or a share, `1` or `25%`.
    pub max_surge: Amount,
    /// Instances that may be missing from the wanted count while replacing.
    pub max_unavailable: Amount,
    /// A new instance must be ready within this time (Nomad: `healthy_deadline`).
    pub healthy_deadline: Span,
    /// The rollout must make progress within this time (Nomad: `progress_deadline`).
    pub progress_deadline: Span,
    /// A rollout that is paused, or waits to be promoted, goes back when that took longer than this.
    #[serde(skip_serializing_if = "is_usual_pause")]
    pub pause_deadline: Span,
    /// A rollout that misses a deadline, or does harm, goes back to the last good generation.
    pub auto_revert: bool,
    /// What a new version's traffic is held against.
    #[serde(skip_serializing_if = "Analysis::is_usual")]
    pub analysis: Analysis,
}

const USUAL_PAUSE: Span = Span::minutes(24 * 60);

fn is_usual_pause(span: &Span) -> bool {
    *span == USUAL_PAUSE
}

impl Default for Update {
    fn default() -> Self {
        Self {
            strategy: Strategy::Rolling,
            max_surge: Amount::Count(1),
            max_unavailable: Amount::Count(0),
            healthy_deadline: Span::minutes(5),
            progress_deadline: Span::minutes(10),
            pause_deadline: USUAL_PAUSE,
            auto_revert: true,
            analysis: Analysis::default(),
        }
    }
}

/// In which way a new generation replaces the old one. Going back is always done at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// A few instances at a time, as far as `maxSurge` and `maxUnavailable` allow.
    #[default]
    Rolling,
    /// A part first, in steps; the rest stays as it was until a step has baked.
    Canary(Canary),
    /// All of it beside the old one, without traffic until it is promoted.
    BlueGreen(BlueGreen),
    /// The old one ends before the new one starts: no two versions at the same time.
    Recreate,
}

impl Strategy {
    /// Whether it is the usual one.
    #[must_use]
    pub const fn is_rolling(&self) -> bool {
        matches!(self, Self::Rolling)
    }

    /// Its name as people write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Canary(_) => "canary",
            Self::BlueGreen(_) => "blueGreen",
            Self::Recreate => "recreate",
        }
    }
}

/// A part first, in steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canary {
    /// The steps, each with more than the one before; after the last one all is replaced. 1 to 20.
    pub steps: Vec<CanaryStep>,
}

/// How much the new generation gets in one step, and for how long that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanaryStep {
    /// Share of the instances, rounded up, one at least; the weight when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<Percent>,
    /// Share of the traffic; that of the instances when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<Percent>,
    /// How long it must do well before the next step.
    #[serde(default = "usual_bake")]
    pub bake: Span,
    /// Whether somebody must promote it after that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
}

const fn usual_bake() -> Span {
    Span::minutes(5)
}

impl CanaryStep {
    /// A step with the same share of instances and traffic.
    #[must_use]
    pub const fn new(share: Percent, bake: Span, pause: bool) -> Self {
        Self {
            share: Some(share),
            weight: None,
            bake,
            pause,
        }
    }

    /// Share of the instances; zero where the step names neither share nor weight.
    #[must_use]
    pub fn share(&self) -> Percent {
        self.share.or(self.weight).unwrap_or(Percent(0))
    }

    /// Share of the traffic.
    #[must_use]
    pub fn weight(&self) -> Percent {
        self.weight.or(self.share).unwrap_or(Percent(0))
    }
}

/// All of it beside the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BlueGreen {
    /// Whether somebody must promote the preview, or it is promoted after `bake`.
    pub promote: Promotion,
    /// How long the preview must do well before it is promoted.
    pub bake: Span,
    /// How long the old one stays after that, without traffic; meanwhile the new one goes back at once if its traffic
    /// shows harm. Where that cannot say, longer by `progressDeadline` at most. With 0s nothing is looked at.
    pub keep_old: Span,
}

impl Default for BlueGreen {
    fn default() -> Self {
        Self {
            promote: Promotion::Automatic,
            bake: usual_bake(),
            keep_old: Span::minutes(10),
        }
    }
}

/// Who says that a preview takes the traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Promotion {
    /// Nobody: it does when it has baked.
    #[default]
    Automatic,
    /// A person, or an agent that may.
    Manual,
}
