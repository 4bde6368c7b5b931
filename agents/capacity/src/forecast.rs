//! Demand a little ahead, and how wrong that may be.
//!
//! Three simple ways to see ahead compete: it stays, it goes on as in the last minute and a half, it moves as it
//! did at this time of other days. Each is judged by its own past: what it said against what came, at
//! the same distance. The one that was least wrong speaks, and its upper bound is where its worst past
//! errors would put it (split conformal prediction; Vovk et al., *Algorithmic Learning in a Random World*, 2005), so
//! no distribution is assumed. Whatever speaks: a rise that is under way is never bounded below where its
//! slope leads.
//!
//! Bounded: an hour of points and errors, a week of five-minute means.

use std::collections::VecDeque;

use ostler_core::{
    autoscale::Line,
    time::{Span, Time},
};

use crate::robust::{median, quantile};

/// Points and errors kept: an hour at one every five seconds, three at one every fifteen.
const POINTS: usize = 720;
/// The level is the mean over this stretch, of two points at least: one alone is noisy.
const LEVEL_SPAN: Span = Span::seconds(15);
/// The slope is that of this stretch.
const SLOPE_SPAN: Span = Span::seconds(75);
/// Margins are worked out anew after so many points.
const JUDGED_EVERY: usize = 12;
/// Bins of a day.
const BINS: u64 = 288;
const BIN: Span = Span::minutes(5);
const DAY: Span = Span::minutes(24 * 60);
/// Days that a bin remembers.
const DAYS: usize = 7;
/// Share of past errors that the upper bound covers.
const COVERED: f64 = 0.97;
/// Upper bounds are never closer than this: readings are noisy.
const CLOSEST: f64 = 0.05;
/// Nor further than this: what was that wrong is no forecast.
const FURTHEST: f64 = 2.0;
/// Errors needed before they are trusted, and what is assumed until then.
const FEWEST: usize = 20;
const UNTRIED: f64 = 0.3;

const WAYS: usize = 3;

/// Demand at some distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ahead {
    /// What is most likely.
    pub expected: f64,
    /// What it will hardly exceed.
    pub high: f64,
    /// Which way of looking ahead speaks.
    pub way: Way,
}

/// A way to look ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It stays as it is.
    Last,
    /// It goes on as it went for the last minute and a half.
    Slope,
    /// It moves as it did at this time of other days.
    Season,
}

const ALL: [Way; WAYS] = [Way::Last, Way::Slope, Way::Season];

/// What was said, for when, by each way.
type Said = (Time, [Option<f64>; WAYS]);

/// Demand of one service over time, and its forecasts at one distance.
#[derive(Debug, Clone)]
pub struct Forecast {
    distance: Span,
    points: VecDeque<(Time, f64)>,
    season: Season,
    said: VecDeque<Said>,
    errors: [VecDeque<f64>; WAYS],
    judged: [Judged; WAYS],
    since: usize,
}

/// How wrong a way was: how far above what it said things came, and how far off they usually were.
#[derive(Debug, Clone, Copy)]
struct Judged {
    margin: f64,
    typical: f64,
}

const NOT_JUDGED: Judged = Judged {
    margin: UNTRIED,
    typical: UNTRIED,
};

impl Forecast {
    /// Looks this far ahead of the newest reading.
    #[must_use]
    pub fn new(distance: Span) -> Self {
        Self {
            distance,
            points: VecDeque::new(),
            season: Season::default(),
            said: VecDeque::new(),
            errors: Default::default(),
            judged: [NOT_JUDGED; WAYS],
            since: 0,
        }
    }

    /// Takes in demand of a moment, later than all before. What comes while people wait is no measure of
    /// forecasts: it holds those who come again, and is not learnt from.
    pub fn add(&mut self, at: Time, demand: f64, waits: bool) {
        if waits {
            self.said.clear();
        }
        self.judge(at, demand);
        self.points.push_back((at, demand));
        bound(&mut self.points, POINTS);
        self.season.add(at, demand);
        let said = ALL.map(|way| self.by(way).filter(|_| !waits));
        self.said.push_back((at + self.distance, said));
        bound(&mut self.said, POINTS);
    }

    /// Demand at its distance; nothing before the first reading.
    #[must_use]
    pub fn ahead(&self) -> Option<Ahead> {
        let tries = ALL.iter().zip(&self.judged).filter_map(|(way, judged)| {
            let expected = self.by(*way)?;
            Some((
                judged.typical + judged.margin,
                expected,
                judged.margin,
                *way,
            ))
        });
        let (_, expected, margin, way) = tries.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let rising = self.by(Way::Slope).unwrap_or(expected);
        let high = (expected * (1.0 + margin)).max(rising);
        Some(Ahead {
            expected,
            high,
            way,
        })
    }

    /// Demand at later times of the day, where other days are known: `count` times, `every` so long.
    #[must_use]
    pub fn later(&self, every: Span, count: u64) -> Vec<(Time, f64)> {
        let Some((at, level)) = self.points.back().map(|(at, _)| *at).zip(self.level()) else {
            return Vec::new();
        };
        let times = (1..=count).map(|step| at + Span(every.0.saturating_mul(step)));
        times
            .filter_map(|time| Some((time, level * self.season.ratio(at, time)?)))
            .collect()
    }

    /// What came, against what was said of it.
    fn judge(&mut self, at: Time, demand: f64) {
        while self.said.front().is_some_and(|(due, _)| *due <= at) {
            let Some((due, said)) = self.said.pop_front() else {
                return;
            };
            // Over a gap nothing is learnt.
            if at.since(due) > Span::seconds(20) {
                continue;
            }
            for (errors, said) in self.errors.iter_mut().zip(said) {
                let Some(said) = said.filter(|said| *said > 0.0) else {
                    continue;
                };
                errors.push_back(demand / said - 1.0);
                bound(errors, POINTS);
            }
            self.since += 1;
        }
        if self.since >= JUDGED_EVERY {
            self.since = 0;
            for (judged, errors) in self.judged.iter_mut().zip(&self.errors) {
                *judged = judge(errors);
            }
        }
    }

    fn by(&self, way: Way) -> Option<f64> {
        let level = self.level()?;
        match way {
            Way::Last => Some(level),
            Way::Slope => self.slope(),
            Way::Season => {
                let (at, _) = self.points.back()?;
                Some(level * self.season.ratio(*at, *at + self.distance)?)
            }
        }
    }

    fn level(&self) -> Option<f64> {
        let (end, _) = self.points.back()?;
        let within = |place: usize, at: &Time| place < 2 || end.since(*at) < LEVEL_SPAN;
        let last = self
            .points
            .iter()
            .rev()
            .enumerate()
            .take_while(|(place, (at, _))| within(*place, at));
        let last: Vec<f64> = last.map(|(_, (_, demand))| *demand).collect();
        let count = f64::from(u32::try_from(last.len()).ok().filter(|count| *count > 0)?);
        Some(last.iter().sum::<f64>() / count)
    }

    /// Where a least-squares line through the last points leads.
    fn slope(&self) -> Option<f64> {
        let (end, _) = self.points.back()?;
        let last: Vec<(f64, f64)> = self
            .points
            .iter()
            .rev()
            .take_while(|(at, _)| end.since(*at) <= SLOPE_SPAN)
            .map(|(at, demand)| (-end.since(*at).as_secs_f64(), *demand))
            .collect();
        let line = Line::through(&last)?;
        Some(line.at(self.distance.as_secs_f64()).max(0.0))
    }
}

fn judge(errors: &VecDeque<f64>) -> Judged {
    if errors.len() < FEWEST {
        return NOT_JUDGED;
    }
    let worst = quantile(errors.iter().copied().collect(), COVERED).unwrap_or(UNTRIED);
    let typical = median(errors.iter().map(|error| error.abs()).collect());
    Judged {
        margin: worst.clamp(CLOSEST, FURTHEST),
        typical: typical.unwrap_or(UNTRIED),
    }
}

fn bound<T>(kept: &mut VecDeque<T>, most: usize) {
    while kept.len() > most {
        kept.pop_front();
    }
}

/// Means of five minutes, by time of day, of the last week.
#[derive(Debug, Clone, Default)]
struct Season {
    bins: std::collections::BTreeMap<u64, VecDeque<f64>>,
    now: Option<(u64, f64, f64)>,
}

impl Season {
    fn add(&mut self, at: Time, demand: f64) {
        let number = at.0 / BIN.0;
        match &mut self.now {
            Some((bin, sum, count)) if *bin == number => {
                *sum += demand;
                *count += 1.0;
            }
            _ => {
                if let Some((bin, sum, count)) = self.now.replace((number, demand, 1.0)) {
                    let days = self.bins.entry(bin % BINS).or_default();
                    days.push_back(sum / count);
                    bound(days, DAYS);
                }
            }
        }
    }

    /// How much more demand there is at one time of day than at another; nothing where a day is not known.
    fn ratio(&self, from: Time, to: Time) -> Option<f64> {
        let (now, then) = (self.at(from)?, self.at(to)?);
        (now > 0.0).then(|| (then / now).clamp(0.3, 3.0))
    }

    fn at(&self, at: Time) -> Option<f64> {
        let half = Span(BIN.0 / 2);
        let before = Time((at + DAY - half).0);
        let bin = |time: Time| {
            median(
                self.bins
                    .get(&(time.0 / BIN.0 % BINS))?
                    .iter()
                    .copied()
                    .collect(),
            )
        };
        let (low, high) = (bin(before)?, bin(before + BIN)?);
        let share = Span(before.0 % BIN.0).as_secs_f64() / BIN.as_secs_f64();
        Some(low + (high - low) * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(
        seconds: std::ops::Range<u64>,
        distance_s: u64,
        demand: impl Fn(f64) -> f64,
    ) -> Forecast {
        let mut forecast = Forecast::new(Span::seconds(distance_s));
        for at in seconds.step_by(15) {
            #[expect(clippy::cast_precision_loss, reason = "seconds of two days")]
            forecast.add(Time(at * 1_000), demand(at as f64), false);
        }
        forecast
    }

    #[test]
    fn what_stays_is_seen_to_stay_closely() {
        let ahead = fed(0..3_600, 30, |_| 100.0).ahead().unwrap();
        assert!(
            (ahead.expected - 100.0).abs() < 1.0 && ahead.high <= 106.0,
            "{ahead:?}"
        );
        assert_eq!(Forecast::new(Span::seconds(30)).ahead(), None);
    }

    #[test]
    fn a_rise_is_followed_from_its_first_readings() {
        let crowd = |at: f64| {
            if at < 3_600.0 {
                100.0
            } else {
                100.0 + (at - 3_600.0) * 2.0
            }
        };
        let ahead = fed(0..3_661, 60, crowd).ahead().unwrap();
        assert!(ahead.high > 230.0, "{ahead:?}");
    }

    #[test]
    fn the_next_day_is_known_from_the_last() {
        let day = |at: f64| {
            if at % 86_400.0 < 43_200.0 {
                100.0
            } else {
                200.0
            }
        };
        let forecast = fed(0..129_300, 600, day);
        let season = forecast.by(Way::Season).unwrap();
        assert!(season > 180.0, "five minutes before noon: {season}");
        assert!((forecast.by(Way::Last).unwrap() - 100.0).abs() < 1.0);
    }

    #[test]
    fn who_was_often_wrong_leaves_more_room() {
        let calm = fed(0..3_600, 30, |at| 100.0 + (at / 15.0).sin())
            .ahead()
            .unwrap();
        let wild = fed(0..3_600, 30, |at| 100.0 + 30.0 * (at / 15.0 * 1.7).sin())
            .ahead()
            .unwrap();
        assert!(
            wild.high / wild.expected > calm.high / calm.expected + 0.1,
            "{wild:?} {calm:?}"
        );
    }
}
