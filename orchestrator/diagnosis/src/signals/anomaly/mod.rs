//! How strange each new point of a metric is, told as it arrives and from what came before it only.
//!
//! Two kinds of look are taken, which err in different places: [`aspects`] of the series that break their
//! own records, and [`shape`]s of its last points that are like none met before, at several paces. A point is
//! as strange as they find together (the root of the mean square, either kind counting half: two that half
//! agree count for less than one that is sure). After an alarm, further ones need a while: one incident, one alarm.
//!
//! Memory is bounded (about 120,000 numbers), work per point too; nothing looks ahead, nor needs
//! a series' range or length told.

mod aspects;
mod pattern;
mod record;
mod season;
mod shape;
mod vigilance;
mod window;

use aspects::Aspects;
use shape::{PACES, Shape};

/// Points below this need no attention. One for all kinds of series.
pub const ALARM: f64 = 0.37;

/// So many points come before the first one that is judged.
const LEARNING: u64 = 100;
/// Points after an alarm in which strangeness comes back to two thirds.
const QUIET: f64 = 30.0;
/// What either kind of look finds where it alone would be worth attention.
const RECORDS_ALARM: f64 = 0.573;
const SHAPES_ALARM: f64 = 0.5;
/// The power of the odds of broken records. A record that is just reached again has nearly even odds and is
/// nothing new (a spike of every day does it), so they are told apart more steeply.
const RECORDS_STEEP: i32 = 3;

/// Scores one series, point by point.
#[derive(Debug, Clone)]
pub struct Scorer {
    seen: u64,
    aspects: Aspects,
    shapes: [Shape; PACES.len()],
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
            aspects: Aspects::new(),
            shapes: PACES.map(Shape::new),
            since_alarm: f64::INFINITY,
        }
    }

    /// How strange `value` at `at` seconds is, from 0 to 1; [`ALARM`] and more deserve attention.
    /// Times must not go back; a value that is no number is not known, and neither strange nor learnt from.
    pub fn next(&mut self, at: f64, value: f64) -> f64 {
        if !value.is_finite() || !at.is_finite() {
            return 0.0;
        }
        let strange = self.strange(at, value) * (1.0 - (-self.since_alarm / QUIET).exp());
        self.since_alarm = if strange > ALARM {
            0.0
        } else {
            self.since_alarm + 1.0
        };
        self.seen += 1;
        if self.seen <= LEARNING { 0.0 } else { strange }
    }

    /// What both kinds of look find together.
    fn strange(&mut self, at: f64, value: f64) -> f64 {
        let records = even(self.aspects.next(at, value), RECORDS_ALARM);
        let paces = self.shapes.iter_mut().map(|shape| shape.next(value));
        let squares: f64 = paces.map(|new| even(new, SHAPES_ALARM).powi(2)).sum();
        let shapes = squares / PACES.len() as f64;
        f64::midpoint(steep(records, RECORDS_STEEP).powi(2), shapes).sqrt()
    }
}

/// Moves a strangeness so that `alarm` becomes a half, and 0 and 1 stay: its odds by those of `alarm`.
fn even(strange: f64, alarm: f64) -> f64 {
    let (yes, no) = (strange * (1.0 - alarm), (1.0 - strange) * alarm);
    yes / (yes + no)
}

/// Raises the odds of a strangeness to a power; 0, a half and 1 stay.
fn steep(strange: f64, power: i32) -> f64 {
    let (yes, no) = (strange.powi(power), (1.0 - strange).powi(power));
    yes / (yes + no)
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
    fn steeper_odds_keep_both_ends_and_the_middle() {
        for same in [0.0, 0.5, 1.0] {
            assert!((steep(same, RECORDS_STEEP) - same).abs() < 1e-12);
        }
        assert!(steep(0.4, RECORDS_STEEP) < 0.3 && steep(0.6, RECORDS_STEEP) > 0.7);
    }

    /// One of every day among noise may alarm now and then (its form is never quite the same), the higher
    /// one does for certain.
    #[test]
    fn a_spike_that_comes_every_day_alarms_rarely_and_a_higher_one_stands_out() {
        let daily = |i: usize| if i % 288 == 100 { 5.0 } else { noise(i) };
        let strange = scores((0..3_000).map(|i| if i == 288 * 8 + 100 { 12.0 } else { daily(i) }));
        let days = strange.iter().skip(1_000).take(1_200);
        assert!(days.clone().filter(|strange| **strange > ALARM).count() <= 1);
        let most = days.copied().fold(0.0, f64::max);
        assert!(strange[288 * 8 + 100] > most + 0.1);
    }

    #[test]
    fn spikes_that_come_every_day_alarm_on_few_of_their_days() {
        let (mut alarms, mut days) = (0, 0);
        for series in 0..4 {
            let from = series * 100_000;
            let daily = |i: usize| if i % 288 == 100 { 5.0 } else { noise(from + i) };
            let strange = scores((0..4_000).map(daily));
            let known = strange.iter().skip(1_000);
            alarms += known.filter(|strange| **strange > ALARM).count();
            days += 3_000 / 288;
        }
        assert!(alarms * 4 < days, "{alarms} alarms on {days} days");
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
}
