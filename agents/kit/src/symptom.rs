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
        }
    }
}

/// Decides what counts as a symptom. Has a memory, no clock: time is in the glance.
pub trait Notice: Send + Sync {
    /// Whether it looks for newer versions: then they are in the glance.
    fn reads_upgrades(&self) -> bool {
        false
    }

    /// What looks wrong now. A healthy system, a crash that the core restarted and a rollout within
    /// its limits give nothing.
    fn notice(&mut self, glance: &Glance) -> Vec<Symptom>;
}
