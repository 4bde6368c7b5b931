//! How a service's rollout stands.

use ostler_core::{
    analysis::Verdict,
    id::{Generation, ServiceKey},
    plan::Judged,
    rollout::{Mark, Parts, Stage},
    time::{Span, Time},
    traffic::Version,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a service's rollout stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutInfo {
    /// Of which service.
    pub service: ServiceKey,
    /// Whether a new generation is on its way in that is not the last good one again.
    pub under_way: bool,
    /// The strategy by its name: `rolling`, `canary`, `blueGreen` or `recreate`.
    pub strategy: String,
    /// The current generation.
    pub generation: Generation,
    /// Its image.
    pub image: String,
    /// The last good generation while the current one is not settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Generation>,
    /// That one's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good_image: Option<String>,
    /// Where it stands in words, such as `canary step 1 of 3, baking`.
    pub stands: String,
    /// Where it stands.
    #[serde(flatten)]
    pub mark: Mark,
    /// Since when.
    pub since: Time,
    /// Since when somebody has been holding it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Time>,
    /// How long what the stage wants must do well.
    pub bake: Span,
    /// Whether the stage ends only when somebody promotes it.
    pub awaits_promotion: bool,
    /// What comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Stage>,
    /// When it goes back unless something happens; absent while it waits for its needs. One that has all the traffic
    /// and whose instances do well goes on then instead, unjudged, where its traffic cannot say whether it does harm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// How many instances the stage wants of the new and of the last good generation.
    pub parts: Parts,
    /// Which share of the traffic each version is meant to get, of 10000, and who takes it.
    pub traffic: Vec<Version>,
    /// How its new version does: by its traffic, by failed runs, or by readiness alone and why; as of the last plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Judged>,
}

impl RolloutInfo {
    /// Whether it ends unjudged at its deadline, and does not go back: it has all the traffic, and that cannot say yet
    /// whether it does harm.
    #[must_use]
    pub fn ends_unjudged(&self) -> bool {
        let judgement = self.analysis.as_ref().and_then(Judged::judgement);
        let undecided = judgement.is_some_and(|one| one.verdict == Verdict::NotEnough);
        self.mark.stage == Stage::Promoted && undecided && self.paused.is_none()
    }
}
