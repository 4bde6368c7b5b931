//! How strange each new point of a metric is, told as it arrives and from what came before it only.
//!
//! Several aspects of a series are watched: the value, its step, its mean over the last 12 and the
//! last 72 points, its scatter, its size, and how far it lies from the same hours of earlier days.
//! Each aspect remembers how far it ever went off its middle, with slow forgetting: a point is strange as
//! far as it breaks the record of one aspect, stranger where it breaks several. A spike that comes
//! every day breaks no record. After an alarm, further ones need a while: one incident, one alarm.
//!
//! Memory is bounded (about 30,000 numbers), work per point too; nothing looks ahead.

mod record;
mod season;
mod window;

use record::Record;
use season::Season;
use window::{Recent, Window};

/// Points below this need no attention: a record broken by a third. One for all kinds of series.
pub const ALARM: f64 = 0.573;

/// So many points come before the first one that is judged.
const LEARNING: u64 = 100;
/// So many come before anything is compared at all.
const FIRST: u64 = 10;
/// Points in the shorter and the longer mean.
const SHORT: usize = 12;
const LONG: usize = 72;
/// Points after an alarm in which strangeness comes back to two thirds.
const QUIET: f64 = 30.0;
/// What the agreement of aspects counts beside the strangest one.
const AGREEMENT: f64 = 0.12;
/// Widths below these shares of a series' own are not believed, by aspect.
const NARROW: f64 = 0.3;
const NARROW_MEAN: f64 = 0.1;
const NARROW_SCATTER: f64 = 0.05;
/// A series is taken to swing by at least this share of its middle.
const STILL: f64 = 0.01;
/// Below this nothing is told apart from nothing.
const TINY: f64 = 1e-9;
/// Sizes below this share of the usual one are all nothing.
const SIZE_FLOOR: f64 = 0.05;
/// The logarithm of sizes swings by at least this.
const SIZE_STILL: f64 = 0.02;

/// Scores one series, point by point.
#[derive(Debug, Clone)]
pub struct Scorer {
    seen: u64,
    last: Option<f64>,
    values: Window,
    steps: Window,
    short: Recent,
    long: Recent,
    sizes: Recent,
    season: Season,
    records: Vec<Record>,
    since_alarm: f64,
}

/// How far an aspect went off its middle, and the least such distance that is worth a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    distance: f64,
    least: f64,
}

impl Default for Scorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Scorer {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seen: 0,
            last: None,
            values: Window::new(),
            steps: Window::new(),
            short: Recent::new(SHORT),
            long: Recent::new(LONG),
            sizes: Recent::new(SHORT),
            season: Season::new(),
            records: Vec::new(),
            since_alarm: f64::INFINITY,
        }
    }

    /// How strange `value` at `at` seconds is, from 0 to 1; [`ALARM`] and more deserve attention.
    /// Times must not go back; a value that is no number is not known, and neither strange nor learnt from.
    pub fn next(&mut self, at: f64, value: f64) -> f64 {
        if !value.is_finite() || !at.is_finite() {
            return 0.0;
        }
        let reaches = if self.seen < FIRST {
            Vec::new()
        } else {
            self.reaches(at, value)
        };
        let strange = self.strange(&reaches) * (1.0 - (-self.since_alarm / QUIET).exp());
        self.since_alarm = if strange > ALARM {
            0.0
        } else {
            self.since_alarm + 1.0
        };
        self.learn(at, value);
        if self.seen <= LEARNING {
            0.0
        } else {
            strange.clamp(0.0, 1.0)
        }
    }

    /// Each aspect's reach, always in the same order; nothing for one that is not known yet.
    fn reaches(&mut self, at: f64, value: f64) -> Vec<Option<Reach>> {
        let Some(range) = self.values.range() else {
            return Vec::new();
        };
        let swing = range.width().max(TINY).max(range.middle.abs() * STILL);
        let mut all = vec![
            Some(range.above(value, NARROW * swing)),
            Some(range.below(value, NARROW * swing)),
            self.step(value, NARROW * swing),
        ];
        for recent in [&mut self.short, &mut self.long] {
            let moved = recent.mean_moves(NARROW * NARROW_MEAN * swing);
            all.extend([moved.map(|(up, _)| up), moved.map(|(_, down)| down)]);
        }
        all.push(self.long.scatter_moves(NARROW * NARROW_SCATTER * swing));
        all.push(self.sizes.mean_moves(NARROW * SIZE_STILL).map(|(up, _)| up));
        all.push(self.season.reach(at, value, NARROW_MEAN * swing));
        let size = value.abs() / range.middle.abs().max(NARROW_MEAN * swing);
        self.sizes.push((size + SIZE_FLOOR).ln());
        all
    }

    fn step(&self, value: f64, narrow: f64) -> Option<Reach> {
        let range = self.steps.range()?;
        let distance = value - self.last? - range.middle;
        Some(Reach {
            distance,
            least: range.width().max(narrow),
        })
    }

    fn strange(&mut self, reaches: &[Option<Reach>]) -> f64 {
        if self.records.len() < reaches.len() {
            self.records.resize_with(reaches.len(), Record::default);
        }
        let broken = self
            .records
            .iter_mut()
            .zip(reaches)
            .map(|(record, reach)| record.broken(*reach));
        let (most, doubt) = broken.fold((0.0_f64, 1.0), |(most, doubt), broken| {
            (most.max(broken), doubt * (1.0 - broken))
        });
        most * (1.0 - AGREEMENT) + (1.0 - doubt) * AGREEMENT
    }

    fn learn(&mut self, at: f64, value: f64) {
        self.values.push(value);
        if let Some(last) = self.last {
            self.steps.push(value - last);
        }
        self.short.push(value);
        self.long.push(value);
        self.season.push(at, value);
        self.last = Some(value);
        self.seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strangeness of each point of a series with a point every five minutes.
    fn scores(values: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut scorer = Scorer::new();
        values
            .enumerate()
            .map(|(i, value)| scorer.next(i as f64 * 300.0, value))
            .collect()
    }

    /// Noise that is the same on every run.
    fn noise(i: usize) -> f64 {
        (i as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23) as f64
            / u64::MAX as f64
    }

    #[test]
    fn a_spike_and_a_shift_alarm_and_calm_does_not() {
        let spike = scores((0..1_500).map(|i| if i == 1_200 { 9.0 } else { noise(i) }));
        assert!(spike[1_200] > ALARM);
        assert!(spike.iter().take(1_200).all(|strange| *strange < ALARM));
        let shift = scores((0..1_500).map(|i| noise(i) + if i >= 1_200 { 3.0 } else { 0.0 }));
        assert!(
            shift
                .iter()
                .skip(1_200)
                .take(10)
                .any(|strange| *strange > ALARM)
        );
    }

    #[test]
    fn a_spike_that_comes_every_day_is_normal_and_a_higher_one_is_not() {
        let daily = |i: usize| if i % 288 == 100 { 5.0 } else { noise(i) };
        let strange = scores((0..3_000).map(|i| if i == 288 * 8 + 100 { 12.0 } else { daily(i) }));
        assert!(
            strange
                .iter()
                .skip(1_000)
                .take(1_200)
                .all(|strange| *strange < ALARM)
        );
        assert!(strange[288 * 8 + 100] > ALARM);
    }

    #[test]
    fn one_incident_alarms_once() {
        let strange = scores((0..1_300).map(|i| noise(i) + if i >= 1_200 { 50.0 } else { 0.0 }));
        let alarms = strange.iter().filter(|strange| **strange > ALARM).count();
        assert!((1..=2).contains(&alarms), "{alarms}");
    }

    #[test]
    fn nothing_later_changes_what_was_said() {
        let whole = scores((0..900).map(noise));
        let cut = scores((0..600).map(noise));
        assert_eq!(whole.get(..600).unwrap(), cut.as_slice());
    }

    #[test]
    fn gaps_and_constants_are_not_strange() {
        let gaps = scores((0..600).map(|i| if i % 3 == 0 { f64::NAN } else { noise(i) }));
        assert!(gaps.iter().all(|strange| strange.is_finite()));
        assert!(
            scores((0..600).map(|_| 7.0))
                .iter()
                .all(|strange| *strange == 0.0)
        );
        assert!(
            scores((0..600).map(|_| 0.0))
                .iter()
                .all(|strange| *strange == 0.0)
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut scorer = Scorer::new();
        for i in 0..20_000 {
            let _ = scorer.next(i as f64, noise(i));
        }
        assert!(scorer.values.len() <= window::LENGTH && scorer.season.len() <= season::MOST);
    }
}
