//! What may be upgraded by itself, as people write it below `spec.upgrades`. What is made of it is the
//! upgrader's business; nothing here starts a rollout.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

/// Which new versions of the image are wanted. Without it nobody looks for any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Upgrades {
    /// How far a new version may be from the one that runs.
    pub track: Track,
    /// How tags are read.
    pub scheme: Scheme,
    /// Versions that are wanted at all, as Cargo writes ranges: `>=1.4, <2`. For SemVer tags only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// The one tag that is wanted: then only its content is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Tags that are not wanted: whole, or their beginning and a `*`. 100 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether versions before a release, such as `2.0.0-rc1`, are wanted where a release runs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pre_releases: bool,
    /// A new version must have been there for so long; 90d at most. Counted from when it was first seen.
    pub min_age: Span,
    /// What runs while a newer version is there for longer than this is overdue, and goes first.
    pub max_age: Span,
    /// How the strategy of the rollout is chosen.
    pub strategy: ByWhom,
    /// How long a step of usual risk bakes; 1s to 1d. Less risk halves it, more doubles it.
    pub bake: Span,
    /// How much hangs on the service.
    pub criticality: Criticality,
}

impl Default for Upgrades {
    fn default() -> Self {
        Self {
            track: Track::default(),
            scheme: Scheme::default(),
            range: None,
            pin: None,
            ignore: Vec::new(),
            pre_releases: false,
            min_age: Span(0),
            max_age: Span::minutes(90 * 24 * 60),
            strategy: ByWhom::default(),
            bake: Span::minutes(5),
            criticality: Criticality::default(),
        }
    }
}

/// How far a new version may be from the one that runs.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Track {
    /// The same tag with other content: a rebuild on a newer base.
    Digest,
    /// The same first two numbers: bug fixes, or the same month.
    Patch,
    /// The same first number: new features, or the same year.
    #[default]
    Minor,
    /// Any.
    Major,
}

/// How tags are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Scheme {
    /// As dates where they can be, else as SemVer.
    #[default]
    Auto,
    /// `1.2.3`, with or without a prefix such as `v` and a suffix such as `-alpine`.
    Semver,
    /// `2026.11`, `26.04`, `2026-11-25` or `20261125`.
    Calendar,
}

/// Who chooses the strategy of an upgrade's rollout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ByWhom {
    /// A canary whose steps follow from the risk, where `spec.update.strategy` is `rolling` or a canary and
    /// two versions may stand side by side; else as written.
    #[default]
    ByRisk,
    /// `spec.update.strategy` as it is written.
    AsWritten,
}

/// How much hangs on a service.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Criticality {
    /// Nobody waits for it.
    Low,
    /// As most.
    #[default]
    Normal,
    /// Much is lost when it fails.
    High,
}
