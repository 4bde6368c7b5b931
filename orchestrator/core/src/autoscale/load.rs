//! A service's load over time, as it was seen: sums over its instances, with how many told.

use std::collections::BTreeMap;

use crate::{
    signal::SignalKind,
    time::{Span, Time},
};

/// The newest sample must be younger than this, or nothing is changed.
pub const STALE_AFTER: Span = Span::seconds(30);
/// Two neighbours further apart than this leave a gap between them; with a gap nothing shrinks.
pub const GAP_AFTER: Span = Span::seconds(90);
/// Samples that lie further ahead than this come from a clock that is wrong and are passed over.
pub const AHEAD: Span = Span::seconds(5);

/// Every signal's samples, oldest first. Bounded by whoever keeps them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Load {
    /// When the wanted number of instances was last seen to change; `None` where it was not.
    pub scaled_at: Option<Time>,
    /// By signal; see [`crate::spec::Target::signal`].
    pub signals: BTreeMap<SignalKind, Vec<Sample>>,
}

/// A service's load at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was read.
    pub at: Time,
    /// The sum over all instances that told; for latency the worst of them.
    pub total: f64,
    /// Instances that told.
    pub reporting: u32,
    /// Instances that should have.
    pub expected: u32,
}

impl Sample {
    /// Whether it says anything: finite, not negative.
    fn is_sane(&self) -> bool {
        self.total.is_finite() && self.total >= 0.0
    }
}

/// One signal's samples of a stretch of time that ends now, without nonsense.
pub(super) struct Stretch {
    samples: Vec<Sample>,
    from: Time,
    now: Time,
}

impl Stretch {
    pub fn of(load: Option<&Load>, signal: SignalKind, span: Span, now: Time) -> Self {
        let from = now - span;
        let all = load.and_then(|load| load.signals.get(&signal));
        let mut samples: Vec<Sample> = all
            .into_iter()
            .flatten()
            .filter(|sample| sample.is_sane() && sample.at <= now + AHEAD)
            .copied()
            .collect();
        samples.sort_by_key(|sample| sample.at);
        Self { samples, from, now }
    }

    fn within(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.at >= self.from)
    }

    /// When the newest sample was read, if ever.
    pub fn newest(&self) -> Option<Time> {
        self.samples.last().map(|sample| sample.at)
    }

    /// Whether the newest is too old to act on.
    pub fn is_stale(&self) -> bool {
        self.newest()
            .is_none_or(|at| self.now.since(at) > STALE_AFTER)
    }

    /// The median load: one reading that is out of line does not move it. The lower one of two
    /// middles, so that growth needs a majority.
    pub fn median(&self, after: Option<Time>) -> Option<f64> {
        let mut totals: Vec<f64> = self
            .within()
            .filter(|sample| after.is_none_or(|after| sample.at > after))
            .map(|sample| sample.total)
            .collect();
        totals.sort_by(f64::total_cmp);
        let enough = totals.len() >= 2;
        totals
            .get(totals.len().saturating_sub(1) / 2)
            .copied()
            .filter(|_| enough)
    }

    /// The highest load.
    pub fn peak(&self) -> Option<f64> {
        self.within()
            .map(|sample| sample.total)
            .max_by(f64::total_cmp)
    }

    /// Whether the stretch is known from end to end and every instance told each time: only then
    /// is a low load a low load, and not a hole in what was seen.
    pub fn is_whole(&self) -> bool {
        let mut last = None;
        for sample in &self.samples {
            if sample.at >= self.from {
                let since = last.unwrap_or(sample.at);
                let holds =
                    sample.reporting >= sample.expected && sample.at.since(since) <= GAP_AFTER;
                if !holds {
                    return false;
                }
            }
            last = Some(sample.at);
        }
        let reaches_back = self
            .samples
            .first()
            .is_some_and(|first| first.at <= self.from + AHEAD);
        reaches_back && !self.is_stale()
    }
}
