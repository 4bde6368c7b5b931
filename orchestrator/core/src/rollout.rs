//! How far a rollout got: the part of it that cannot be seen in what runs, so it belongs to what is
//! wanted and only a change moves it. Pure; what follows from it for instances is in `reconcile`.
//!
//! A service rolls out while its current generation is not settled and differs from the last good
//! one. Going back needs no care and is done at once, except that `recreate` never mixes versions.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::Generation,
    intent::Service,
    spec::{CanaryStep, Likeness, Promotion, ServiceSpec, Strategy},
    time::{Span, Time},
};

/// How many generations without traffic are remembered.
const HELD_BACK_LIMIT: usize = 32;

/// How far a rollout got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rollout {
    /// Where it stands.
    pub mark: Mark,
    /// Since when it stands there; or was resumed.
    pub since: Time,
    /// Since when somebody has been holding it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Time>,
    /// Generations that get no traffic: previews that never were promoted, versions taken over from.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "Vec<u64>")]
    pub held_back: BTreeSet<Generation>,
}

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// Its stage.
    #[serde(flatten)]
    pub stage: Stage,
    /// Whether all that the stage wants is there, and it is watched.
    #[serde(default)]
    pub bakes: bool,
}

/// The stages of all strategies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The new generation replaces the old one as far as surge and unavailability allow.
    #[default]
    Rolling,
    /// The old generation ends, then the new one starts.
    Recreate,
    /// The new generation has a part.
    Canary {
        /// Which step, counted from zero.
        step: u32,
    },
    /// The new generation is started beside the old one and gets no traffic.
    Preview,
    /// The new generation has the traffic; the old one is kept.
    Promoted,
}

impl From<Stage> for Mark {
    fn from(stage: Stage) -> Self {
        Self {
            stage,
            bakes: false,
        }
    }
}

/// Whether a new generation comes in by its strategy, or is known and comes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Careful,
    AtOnce,
}

/// Begins the rollout of a generation that was just made; `likeness` is that to the one before.
pub(crate) fn begin(
    service: &mut Service,
    before: Generation,
    likeness: Likeness,
    way: Way,
    now: Time,
) {
    let earlier = service.rollout.take();
    let mut held_back = earlier
        .as_ref()
        .map_or_else(BTreeSet::new, |earlier| earlier.held_back.clone());
    let stage = earlier.as_ref().map(|earlier| earlier.mark.stage);
    if stage == Some(Stage::Preview) {
        held_back.insert(before);
    }
    // What is to be kept, or to come back, serves.
    if let Some(stable) = &service.stable {
        held_back.remove(&stable.generation);
    }
    while held_back.len() > HELD_BACK_LIMIT {
        held_back.pop_first();
    }
    let stage = match (likeness, stage) {
        (Likeness::Other, _) => first_stage(service, &held_back, way),
        (_, stage) => stage.unwrap_or_default(),
    };
    if stage != Stage::Rolling || !held_back.is_empty() {
        service.rollout = Some(Box::new(Rollout {
            mark: stage.into(),
            since: now,
            paused: None,
            held_back,
        }));
    }
}

fn first_stage(service: &Service, held_back: &BTreeSet<Generation>, way: Way) -> Stage {
    let careful = way == Way::Careful && service.rolls_out();
    match &service.spec.update.strategy {
        Strategy::Recreate => Stage::Recreate,
        Strategy::Canary(_) if careful => Stage::Canary { step: 0 },
        Strategy::BlueGreen(_) if careful && !was_shown(service, held_back) => Stage::Preview,
        _ => Stage::Rolling,
    }
}

/// Whether the same version had traffic since the last good one: then its instances may serve now.
fn was_shown(service: &Service, held_back: &BTreeSet<Generation>) -> bool {
    let stable = service.stable.as_ref().map(|stable| stable.generation);
    service.history.iter().any(|past| {
        let later = stable.is_none_or(|stable| past.generation > stable);
        later && !held_back.contains(&past.generation) && past.spec.makes_same(&service.spec)
    })
}

/// How many instances of the new and of the last good generation a stage wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// Most of the new one.
    pub new: u32,
    /// That stay of the last good one.
    pub old: u32,
}

impl Service {
    /// Whether a new generation is on its way in that is not the last good one again.
    #[must_use]
    pub fn rolls_out(&self) -> bool {
        let other =
            |stable: &crate::intent::Past| stable.spec.likeness(&self.spec) == Likeness::Other;
        !self.settled && self.stable.as_ref().is_some_and(other)
    }

    /// Where its rollout stands. A stage that the strategy of today does not have is one of rolling.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let mark = self.rollout.as_ref().map(|rollout| rollout.mark);
        let Some(mark) = mark.filter(|_| !self.settled) else {
            return Mark::from(Stage::Rolling);
        };
        let known = match (mark.stage, &self.spec.update.strategy) {
            (Stage::Canary { .. }, _) => self.canary_step(mark.stage).is_some(),
            (Stage::Preview | Stage::Promoted, strategy) => {
                matches!(strategy, Strategy::BlueGreen(_))
            }
            (Stage::Rolling | Stage::Recreate, _) => true,
        };
        if known { mark } else { Stage::Rolling.into() }
    }

    /// Its rollout's stage.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.mark().stage
    }

    /// Since when somebody has been holding its rollout.
    #[must_use]
    pub fn paused(&self) -> Option<Time> {
        let rollout = self.rollout.as_ref().filter(|_| !self.settled)?;
        rollout.paused
    }

    /// The canary step of a stage, where the strategy has it.
    #[must_use]
    pub fn canary_step(&self, stage: Stage) -> Option<&CanaryStep> {
        let (Stage::Canary { step }, Strategy::Canary(canary)) =
            (stage, &self.spec.update.strategy)
        else {
            return None;
        };
        canary.steps.get(usize::try_from(step).ok()?)
    }

    /// What its stage wants of either generation, with so many instances wanted in all.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let wanted = self.replicas;
        match self.stage() {
            Stage::Rolling | Stage::Recreate => Parts {
                new: wanted,
                old: 0,
            },
            Stage::Preview | Stage::Promoted => Parts {
                new: wanted,
                old: wanted,
            },
            stage @ Stage::Canary { .. } => {
                let share = self.canary_step(stage).map_or(100, |step| step.share().0);
                let new = (u64::from(wanted) * u64::from(share)).div_ceil(100);
                let new = u32::try_from(new).unwrap_or(wanted).max(1).min(wanted);
                // Something to compare with stays, however few they are.
                let least = u32::from(share < 100).min(wanted);
                Parts {
                    new,
                    old: (wanted - new).max(least),
                }
            }
        }
    }

    /// How long what its stage wants must do well.
    #[must_use]
    pub fn bake(&self) -> Span {
        match (self.stage(), &self.spec.update.strategy) {
            (Stage::Preview, Strategy::BlueGreen(both)) => both.bake,
            (Stage::Promoted, Strategy::BlueGreen(both)) => both.keep_old,
            (stage, _) => self.canary_step(stage).map_or(Span(0), |step| step.bake),
        }
    }

    /// Whether its stage ends only when somebody promotes it.
    #[must_use]
    pub fn awaits_promotion(&self) -> bool {
        match (self.stage(), &self.spec.update.strategy) {
            (Stage::Preview, Strategy::BlueGreen(both)) => both.promote == Promotion::Manual,
            (stage, _) => self.canary_step(stage).is_some_and(|step| step.pause),
        }
    }

    /// The stage after this one, where there is one; the one that replaces all when `full`.
    #[must_use]
    pub fn stage_after(&self, full: bool) -> Option<Stage> {
        match self.stage() {
            Stage::Rolling | Stage::Recreate => None,
            Stage::Promoted => Some(Stage::Rolling),
            Stage::Preview => Some(Stage::Promoted),
            Stage::Canary { step } => {
                let next = Stage::Canary {
                    step: step.saturating_add(1),
                };
                let there = !full && self.canary_step(next).is_some();
                Some(if there { next } else { Stage::Rolling })
            }
        }
    }

    /// Whether instances of a generation may get traffic. What is left over of earlier ones, such as on
    /// a node that was silent while all else was replaced, may not.
    #[must_use]
    pub fn may_serve(&self, generation: Generation) -> bool {
        let own = self.spec_of(generation);
        let alike =
            |spec: &ServiceSpec| own.is_some_and(|own| own.likeness(spec) != Likeness::Other);
        if generation == self.generation || alike(&self.spec) {
            return self.stage() != Stage::Preview;
        }
        let stable = self.stable.as_ref();
        let left_over =
            stable.is_some_and(|stable| generation < stable.generation && !alike(&stable.spec));
        let rollout = self.rollout.as_ref();
        let held_back = rollout.is_some_and(|rollout| rollout.held_back.contains(&generation));
        !self.settled && !left_over && !held_back
    }

    /// Stands at another mark from now on, and nobody holds it.
    pub(crate) fn move_to(&mut self, mark: Mark, now: Time) {
        let (was, stable) = (
            self.stage(),
            self.stable.as_ref().map(|past| past.generation),
        );
        let changed_at = self.changed_at;
        let rollout = self
            .rollout
            .get_or_insert_with(|| Rollout::rolling(changed_at));
        if was == Stage::Promoted {
            // What was taken over from gets no traffic on its way out.
            rollout.held_back.extend(stable);
        }
        (rollout.mark, rollout.since, rollout.paused) = (mark, now, None);
    }
}

impl Rollout {
    /// One without stages, under way since then.
    pub(crate) fn rolling(since: Time) -> Box<Self> {
        Box::new(Self {
            mark: Stage::Rolling.into(),
            since,
            paused: None,
            held_back: BTreeSet::new(),
        })
    }
}

impl Mark {
    /// For people: `canary step 1`, `preview, baking`.
    #[must_use]
    pub fn in_words(self) -> String {
        let bakes = if self.bakes { ", baking" } else { "" };
        match self.stage {
            Stage::Rolling => "rolling".to_owned(),
            Stage::Recreate => "recreating".to_owned(),
            Stage::Canary { step } => format!("canary step {}{bakes}", step.saturating_add(1)),
            Stage::Preview => format!("preview{bakes}"),
            Stage::Promoted => "promoted, the old one kept".to_owned(),
        }
    }
}
