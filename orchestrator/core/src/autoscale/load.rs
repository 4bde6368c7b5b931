//! A service's load over time, as it was seen: sums over its instances, with how many told.

use std::collections::BTreeMap;

use super::line::Line;
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
/// A reading that is more than so many times the one before is believed when so many in a row are.
const LEAP: f64 = 3.0;
const LEAPS: usize = 3;
/// Fewer rises than this say nothing of how surprising a load is.
const SURPRISES: usize = 20;

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
    /// The last reading that was not believed, where that was asked for.
    doubted: Option<Time>,
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
        let doubted = None;
        Self {
            samples,
            from,
            now,
            doubted,
        }
    }

    /// Without what a sum of CPU in use cannot be: nothing at all, as a counter that began anew looks, and leaps that
    /// the two readings after do not share.
    pub fn believable(mut self) -> Self {
        self.samples.retain(|sample| sample.total > 0.0);
        let mut usual = self.median(None).unwrap_or(f64::INFINITY);
        let totals: Vec<f64> = self.samples.iter().map(|sample| sample.total).collect();
        let kept = |place: usize| {
            let leaps = |total: &&f64| **total > usual * LEAP;
            let here = totals.get(place..).unwrap_or_default();
            let fine = match here.iter().take_while(leaps).count() {
                0 => true,
                leaps => leaps >= LEAPS,
            };
            if let Some(total) = here.first().filter(|_| fine) {
                usual = *total;
            }
            fine
        };
        let fine: Vec<bool> = (0..totals.len()).map(kept).collect();
        let mut fine = fine.into_iter();
        let mut doubted = None;
        self.samples.retain(|sample| {
            let fine = fine.next().unwrap_or_default();
            doubted = (!fine).then_some(sample.at).or(doubted);
            fine
        });
        self.doubted = doubted;
        self
    }

    /// When a reading was not believed for the last time, if ever.
    pub const fn doubted(&self) -> Option<Time> {
        self.doubted
    }

    /// A stretch of it that ends then, with the one sample before it.
    pub fn part(&self, span: Span, until: Time) -> Self {
        let from = until - span;
        let end = self
            .samples
            .partition_point(|sample| sample.at <= until + AHEAD);
        let start = self.samples.partition_point(|sample| sample.at < from);
        let part = self.samples.get(start.saturating_sub(1)..end);
        Self {
            samples: part.unwrap_or_default().to_vec(),
            from,
            now: until,
            doubted: self.doubted,
        }
    }

    fn within(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.at >= self.from)
    }

    /// When the newest sample was read, if ever, and what it said.
    pub fn newest(&self) -> Option<(Time, f64)> {
        self.samples.last().map(|sample| (sample.at, sample.total))
    }

    /// The highest mean of two neighbours: one reading alone is noisy. Nothing of fewer than two.
    pub fn steady_peak(&self) -> Option<f64> {
        let totals: Vec<f64> = self.within().map(|sample| sample.total).collect();
        let means = totals.windows(2).map(|pair| pair.iter().sum::<f64>() / 2.0);
        means.max_by(f64::total_cmp)
    }

    /// By which share the load was above the mean of three readings, two readings later: that quantile of all such.
    /// Nothing of fewer than twenty.
    pub fn surprise(&self, covered: f64) -> Option<f64> {
        let totals: Vec<f64> = self.within().map(|sample| sample.total).collect();
        let risen = |five: &[f64]| match five {
            [a, b, c, _, later] if a + b + c > 0.0 => Some(later * 3.0 / (a + b + c) - 1.0),
            _ => None,
        };
        let mut all: Vec<f64> = totals.windows(5).filter_map(risen).collect();
        if all.len() < SURPRISES {
            return None;
        }
        all.sort_by(f64::total_cmp);
        all.get(place(all.len(), covered)).copied()
    }

    /// By how much it rises each second: the line through the stretch, of three samples at least.
    pub fn slope(&self) -> Option<f64> {
        let point = |sample: &Sample| (-self.now.since(sample.at).as_secs_f64(), sample.total);
        let points: Vec<(f64, f64)> = self.within().map(point).collect();
        Line::through(&points).map(|line| line.slope)
    }

    /// Whether the newest is too old to act on.
    pub fn is_stale(&self) -> bool {
        self.newest()
            .is_none_or(|(at, _)| self.now.since(at) > STALE_AFTER)
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

    /// Whether instances were there at some moment of the stretch and told of no load at all.
    pub fn has_nothing(&self) -> bool {
        let mut within = self.within();
        within.any(|sample| sample.expected > 0 && sample.total <= 0.0)
    }

    /// Whether there was no load at all from end to end.
    pub fn is_idle(&self) -> bool {
        self.is_whole() && self.peak().is_some_and(|peak| peak <= 0.0)
    }

    /// Whether the stretch is known from end to end and every instance told each time: only then
    /// is a low load a low load, and not a hole in what was seen.
    pub fn is_whole(&self) -> bool {
        self.is_whole_within(GAP_AFTER)
    }

    /// The same, with neighbours no further apart than that.
    pub fn is_whole_within(&self, gap: Span) -> bool {
        let mut last = None;
        for sample in &self.samples {
            if sample.at >= self.from {
                let since = last.unwrap_or(sample.at);
                let holds = sample.reporting >= sample.expected && sample.at.since(since) <= gap;
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

/// Where a quantile of so many values in order is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "at most some thousand samples"
)]
fn place(count: usize, quantile: f64) -> usize {
    (count.saturating_sub(1) as f64 * quantile.clamp(0.0, 1.0)).round() as usize
}
