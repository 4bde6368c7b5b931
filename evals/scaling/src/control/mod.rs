//! Autoscalers: what they see, and what they may ask for.

pub mod behaviour;
pub mod fixed;
pub mod hpa;
pub mod keda;
pub mod oracle;
pub mod ostler;

use crate::{scrape::Sample, service::Instance};

/// What is known of one service when an autoscaler takes its turn.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// A sample that came since the last turn.
    pub sample: Option<Sample>,
    /// Its instances; from the platform, so neither late nor noisy.
    pub instances: &'a [Instance],
    /// CPUs of each.
    pub cores: f64,
}

/// What an autoscaler asks for, for one service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// Instances.
    pub replicas: u32,
    /// CPUs of each; where `shared`, of those only that are not ready yet.
    pub cores: f64,
    /// CPUs that those that are ready share at once, whoever comes or goes.
    pub shared: Option<Shared>,
}

/// CPU that moves with who is ready, as the core moves it the moment that an instance dies or comes up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shared {
    /// CPUs in all.
    pub total: f64,
    /// Fewest and most of an instance.
    pub bounds: (f64, f64),
}

/// How an autoscaler comes by its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Seconds between scrapes, and between its turns.
    pub every_s: u64,
    /// Seconds until a scrape can be read.
    pub delay_s: u64,
}

impl Pace {
    /// Kubernetes: kubelets are scraped every fifteen seconds (metrics-server's `--metric-resolution`), the
    /// autoscaler syncs every fifteen (`--horizontal-pod-autoscaler-sync-period`).
    pub const KUBERNETES: Self = Self {
        every_s: 15,
        delay_s: 15,
    };
    /// Ostler: the daemon reads cgroups and scrapes every five seconds, and an agent looks as often.
    pub const OSTLER: Self = Self {
        every_s: 5,
        delay_s: 5,
    };
}

/// An autoscaler.
pub trait Autoscaler {
    /// CPUs of each instance at the start.
    fn cores(&self) -> f64;
    /// How it comes by its metrics.
    fn pace(&self) -> Pace {
        Pace::KUBERNETES
    }
    /// One turn.
    fn turn(&mut self, now_s: u64, views: &[View<'_>]) -> Vec<Order>;
    /// Whether what it asks for is there at once, ready and warm. Only a bound may say yes.
    fn magic(&self) -> bool {
        false
    }
}

/// Instances that take requests.
#[must_use]
pub fn ready(view: &View<'_>, now_s: u64) -> u32 {
    let ready = view.instances.iter().filter(|one| one.ready_s <= now_s);
    u32::try_from(ready.count()).unwrap_or(u32::MAX)
}

/// Instances in all.
#[must_use]
pub fn count(view: &View<'_>) -> u32 {
    u32::try_from(view.instances.len()).unwrap_or(u32::MAX)
}

/// Rounds up to a count of instances; nothing sensible becomes none. What is over a whole number by less
/// than sums of floating point are off is that number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held within bounds first"
)]
#[must_use]
pub fn ceil(value: f64) -> u32 {
    if value.is_finite() {
        (value.clamp(0.0, 1e6) - 1e-9).ceil().max(0.0) as u32
    } else {
        0
    }
}
