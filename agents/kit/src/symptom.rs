//! Something that looks wrong from outside, before anybody asked why.

use ostler_core::{
    id::{CallId, InstanceId, ServiceKey},
    time::Time,
};
use serde::{Deserialize, Serialize};

use crate::look::Glance;

/// One symptom of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Symptom {
    /// Which service shows it.
    pub service: ServiceKey,
    /// Which of its instances, where it is one.
    pub instance: Option<InstanceId>,
    /// What sort.
    pub kind: SymptomKind,
    /// Since when, as far as known.
    pub since: Time,
    /// In words, for the incident's title and evidence.
    pub claim: String,
    /// The call whose answer shows it.
    pub call: CallId,
}

/// Sorts of symptoms, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymptomKind {
    /// An instance fails again and again.
    CrashLoop,
    /// An instance cannot be started.
    CannotStart,
    /// Takes no traffic although it should, for a while.
    Down,
    /// Instances were killed for exceeding their memory limit, more than once.
    OutOfMemory,
    /// Instances end unasked, again and again, but too seldom to be called a crash loop.
    Flapping,
    /// An instance runs but does not get ready.
    NotReady,
    /// Takes traffic, but not as wanted, for a while.
    Degraded,
    /// Fails more requests than it promised.
    ErrorRatio,
    /// Is slower than it promised.
    Latency,
    /// Memory grows steadily towards the limit.
    MemoryGrowing,
    /// A disk or volume is nearly full.
    DiskFilling,
    /// A newer version is there that is wanted: no trouble, a chance.
    Outdated,
    /// What it was given does not fit its load: no trouble yet, or a chance to save.
    Misprovisioned,
}

impl SymptomKind {
    /// Its name, as incidents carry it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CrashLoop => "crash_loop",
            Self::CannotStart => "cannot_start",
            Self::Down => "down",
            Self::OutOfMemory => "out_of_memory",
            Self::Flapping => "flapping",
            Self::NotReady => "not_ready",
            Self::Degraded => "degraded",
            Self::ErrorRatio => "error_ratio",
            Self::Latency => "latency",
            Self::MemoryGrowing => "memory_growing",
            Self::DiskFilling => "disk_filling",
            Self::Outdated => "outdated",
            Self::Misprovisioned => "misprovisioned",
        }
    }

    /// Whether it is no trouble: it has no culprit elsewhere, and nothing is undone because it is there.
    #[must_use]
    pub const fn is_chance(self) -> bool {
        matches!(self, Self::Outdated | Self::Misprovisioned)
    }
}

/// What a glance holds beside what every agent needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// Whether promises are kept and limits come near: signals of services, instances and nodes.
    pub health: bool,
    /// Newer versions of what runs.
    pub upgrades: bool,
    /// Load of every service, and what it was given.
    pub loads: bool,
}

/// Decides what counts as a symptom. Has a memory, no clock: time is in the glance.
pub trait Notice: Send + Sync {
    /// What it needs to see beside what every agent does.
    fn reads(&self) -> Reads {
        Reads::default()
    }

    /// What looks wrong now. A healthy system, a crash that the core restarted and a rollout within
    /// its limits give nothing.
    fn notice(&mut self, glance: &Glance) -> Vec<Symptom>;
}
