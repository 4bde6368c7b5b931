//! Signals of a simulated fleet: what is usual, with a little noise, and what rules make of it.

use std::sync::atomic::{AtomicU64, Ordering};

use ostler_core::{
    id::InstanceId,
    intent::Intent,
    observed::{InstanceSeen, Phase},
    signal::{SignalKind, Subject},
    sim,
    time::{Span, Time},
};
use ostler_signals::history::History;

use crate::rule::Then;

/// What an instance that is well shows, and how much of it is noise.
const OF_INSTANCE: [(SignalKind, f64, f64); 4] = [
    (SignalKind::MemoryShare, 0.35, 0.02),
    (SignalKind::CpuCores, 0.08, 0.02),
    (SignalKind::CpuThrottled, 0.01, 0.01),
    (SignalKind::ProbeSeconds, 0.006, 0.002),
];
/// What a service that is well shows.
const OF_SERVICE: [(SignalKind, f64, f64); 4] = [
    (SignalKind::RequestRate, 40.0, 4.0),
    (SignalKind::ErrorRatio, 0.002, 0.002),
    (SignalKind::LatencyP50, 0.012, 0.002),
    (SignalKind::LatencyP99, 0.060, 0.010),
];
/// What a machine that is well shows.
const OF_NODE: [(SignalKind, f64, f64); 4] = [
    (SignalKind::CpuPressure, 0.03, 0.02),
    (SignalKind::MemoryPressure, 0.01, 0.01),
    (SignalKind::IoPressure, 0.02, 0.02),
    (SignalKind::DiskShare, 0.45, 0.0),
];
/// How much more everything swings where the case is noisy.
const NOISY: f64 = 2.5;

/// A short history of everything.
pub struct Signals {
    history: History,
    dice: AtomicU64,
    swing: f64,
}

impl Signals {
    pub fn new(seed: u64, noisy: bool) -> Self {
        Self {
            history: History::default(),
            dice: AtomicU64::new(seed),
            swing: if noisy { NOISY } else { 1.0 },
        }
    }

    /// What is recorded, for who reads.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// Between -1 and 1, the same for the same seed.
    fn chance(&self) -> f64 {
        let mut x = self
            .dice
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = f64::from(u32::try_from(x >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        share.mul_add(2.0, -1.0)
    }

    fn record(&self, subject: &Subject, at: Time, usual: &[(SignalKind, f64, f64)]) {
        for (kind, level, noise) in usual {
            let value = (level + noise * self.swing * self.chance()).max(0.0);
            self.history.record(subject, *kind, at, value);
        }
    }

    /// Records what is usual of all that runs.
    pub fn usual(&self, intent: &Intent, sim: &sim::World, now: Time) {
        for (id, seen) in sim.instances() {
            if seen.phase == Phase::Running {
                self.record(&Subject::Instance(id.clone()), now, &OF_INSTANCE);
            }
        }
        for service in intent.services.keys() {
            self.record(&Subject::Service(service.clone()), now, &OF_SERVICE);
        }
        for node in sim.observe().nodes.keys() {
            self.record(&Subject::Node(node.clone()), now, &OF_NODE);
        }
    }

    /// Records what a rule makes of it, in place of what is usual.
    pub fn ruled(
        &self,
        then: &Then,
        (id, seen): (&InstanceId, &InstanceSeen),
        trouble: Time,
        now: Time,
    ) {
        let began = seen.started_at.unwrap_or(now);
        let (age, trouble): (Span, Span) = (now.since(began), now.since(trouble));
        let instance = (Subject::Instance(id.clone()), &then.instance);
        let service = (Subject::Service(seen.service.clone()), &then.service);
        let node = (Subject::Node(seen.node.clone()), &then.node);
        for (subject, shapes) in [instance, service, node] {
            if matches!(subject, Subject::Instance(_)) && seen.phase != Phase::Running {
                continue;
            }
            for (kind, shape) in shapes {
                let value = shape.at(age, trouble);
                let value = value * 0.02f64.mul_add(self.chance(), 1.0);
                self.history.record(&subject, *kind, now, value);
            }
        }
    }
}
