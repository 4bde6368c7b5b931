//! Counts detections as the Numenta Anomaly Benchmark does (Lavin and Ahmad, 2015, «Evaluating
//! Real-time Anomaly Detection Algorithms»).
//!
//! A window found is worth up to one, the earlier the more; a window missed costs one; a false alarm
//! costs a little, less right after a window. The first 15 % of a series do not count. One threshold
//! holds for the whole corpus: the one that earns most. Scores are stretched so that a detector that
//! says nothing has 0 and a perfect one 100.

use super::Series;

/// The part of a series in which nothing counts, and the most points it may be.
const PROBATION: f64 = 0.15;
const PROBATION_POINTS: usize = 750;
/// So many window widths behind a window a false alarm costs in full.
const FAR_BEHIND: f64 = 3.0;
/// How steeply worth falls from the left to the right edge of a window.
const STEEPNESS: f64 = 5.0;

/// What hits and misses are worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// A window found at once.
    pub found: f64,
    /// A false alarm far from any window.
    pub false_alarm: f64,
    /// A window missed.
    pub missed: f64,
}

/// The profile that published figures are compared by.
pub const STANDARD: Profile = Profile {
    found: 1.0,
    false_alarm: 0.11,
    missed: 1.0,
};

/// What came out for one series at one threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome {
    /// Points worth, after weights; not normalised.
    pub score: f64,
    /// Windows in the series.
    pub windows: usize,
    /// Points above the threshold within windows, and outside.
    pub true_points: usize,
    /// See `true_points`.
    pub false_points: usize,
}

/// A point that counts.
#[derive(Debug, Clone, Copy)]
struct Counted {
    anomaly: f64,
    /// What detecting it is worth.
    worth: f64,
    /// In which window it lies.
    window: Option<usize>,
}

/// Scores one series by the detector's anomaly scores, one per point.
#[must_use]
pub fn outcome(series: &Series, anomalies: &[f64], threshold: f64, profile: &Profile) -> Outcome {
    let mut tally = Tally::new(series, profile);
    for point in counted(series, anomalies, profile)
        .iter()
        .filter(|point| point.anomaly >= threshold)
    {
        tally.add(point);
    }
    tally.outcome
}

/// The threshold that earns most over a corpus of series with their anomaly scores.
#[must_use]
pub fn best_threshold(corpus: &[(&Series, &[f64])], profile: &Profile) -> f64 {
    let mut tallies: Vec<_> = corpus
        .iter()
        .map(|(series, _)| Tally::new(series, profile))
        .collect();
    let mut points: Vec<(usize, Counted)> = Vec::new();
    for (place, (series, anomalies)) in corpus.iter().enumerate() {
        points.extend(
            counted(series, anomalies, profile)
                .into_iter()
                .map(|point| (place, point)),
        );
    }
    points.sort_by(|a, b| b.1.anomaly.total_cmp(&a.1.anomaly));
    let mut total: f64 = tallies.iter().map(|tally| tally.outcome.score).sum();
    let (mut best, mut threshold) = (total, f64::INFINITY);
    for same in points.chunk_by(|a, b| a.1.anomaly.total_cmp(&b.1.anomaly).is_eq()) {
        for (place, point) in same {
            total += tallies
                .get_mut(*place)
                .map_or(0.0, |tally| tally.add(point));
        }
        if let Some((_, point)) = same.first().filter(|_| total > best) {
            (best, threshold) = (total, point.anomaly);
        }
    }
    threshold
}

/// Stretches a corpus's outcomes to 0 for silence and 100 for perfection; nothing where no window is labelled.
#[must_use]
pub fn normalised(outcomes: &[Outcome], profile: &Profile) -> Option<f64> {
    let windows = outcomes
        .iter()
        .map(|outcome| outcome.windows)
        .sum::<usize>() as f64;
    let score: f64 = outcomes.iter().map(|outcome| outcome.score).sum();
    let (silence, perfection) = (-profile.missed * windows, profile.found * windows);
    (windows > 0.0).then(|| 100.0 * (score - silence) / (perfection - silence))
}

/// How many points at the start do not count.
#[must_use]
pub fn probation(points: usize) -> usize {
    ((points as f64 * PROBATION).floor() as usize).min(PROBATION_POINTS)
}

/// A sum that grows point by point; of each window only the worthiest detection stays.
struct Tally {
    outcome: Outcome,
    windows: Vec<f64>,
}

impl Tally {
    fn new(series: &Series, profile: &Profile) -> Self {
        let probation = probation(series.points.len());
        let counting = |(_, last): &&(usize, usize)| *last >= probation;
        let count = series.windows.iter().filter(counting).count();
        let outcome = Outcome {
            score: -profile.missed * count as f64,
            windows: count,
            ..Outcome::default()
        };
        Self {
            outcome,
            windows: vec![-profile.missed; series.windows.len()],
        }
    }

    /// Adds a detection; gives by how much the score changed.
    fn add(&mut self, point: &Counted) -> f64 {
        let more = match point.window.and_then(|window| self.windows.get_mut(window)) {
            Some(held) => {
                self.outcome.true_points += 1;
                let more = (point.worth - *held).max(0.0);
                *held += more;
                more
            }
            None => {
                self.outcome.false_points += 1;
                point.worth
            }
        };
        self.outcome.score += more;
        more
    }
}

/// The points that count, with what detecting each is worth.
fn counted(series: &Series, anomalies: &[f64], profile: &Profile) -> Vec<Counted> {
    let probation = probation(series.points.len());
    let weigh = |(place, anomaly): (usize, &f64)| {
        let within = |(first, last): &(usize, usize)| (*first..=*last).contains(&place);
        let window = series.windows.iter().position(within);
        let worth = match window.and_then(|window| series.windows.get(window)) {
            Some((first, last)) => {
                let width = (last - first + 1) as f64;
                profile.found * falling(-((last - place + 1) as f64) / width) / falling(-1.0)
            }
            None => profile.false_alarm * falling(behind(series, place)),
        };
        Counted {
            anomaly: *anomaly,
            worth,
            window,
        }
    };
    anomalies
        .iter()
        .enumerate()
        .skip(probation)
        .map(weigh)
        .collect()
}

/// How many widths of the last window lie between it and a point.
fn behind(series: &Series, place: usize) -> f64 {
    let past = series
        .windows
        .iter()
        .filter(|(_, last)| *last < place)
        .max_by_key(|(_, last)| *last);
    past.map_or(FAR_BEHIND, |(first, last)| {
        (place - last) as f64 / (last - first).max(1) as f64
    })
}

/// From nearly 1 at -1 over 0 at 0 to nearly -1 at 1.
fn falling(place: f64) -> f64 {
    if place >= FAR_BEHIND {
        -1.0
    } else {
        2.0 / (1.0 + (STEEPNESS * place).exp()) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        let points = (0..1_000).map(|i| (f64::from(i), 0.0)).collect();
        Series {
            name: "a/b.csv".into(),
            points,
            windows: vec![(400, 499)],
        }
    }

    fn detected(places: &[usize]) -> Vec<f64> {
        (0..1_000)
            .map(|i| if places.contains(&i) { 1.0 } else { 0.0 })
            .collect()
    }

    fn score(places: &[usize]) -> f64 {
        outcome(&series(), &detected(places), 0.5, &STANDARD).score
    }

    #[test]
    fn silence_is_nothing_and_the_first_point_of_a_window_is_all() {
        let normal = |score| {
            normalised(
                &[Outcome {
                    score,
                    windows: 1,
                    ..Outcome::default()
                }],
                &STANDARD,
            )
            .unwrap()
        };
        assert!(normal(score(&[])).abs() < 1e-9);
        assert!((normal(score(&[400])) - 100.0).abs() < 1e-9);
        assert!((score(&[400, 410, 499]) - 1.0).abs() < 1e-9);
        assert!(score(&[450]) < score(&[420]));
    }

    #[test]
    fn false_alarms_cost_less_right_behind_a_window_and_nothing_in_probation() {
        assert!((score(&[300]) + 1.11).abs() < 1e-9);
        assert!((score(&[10]) + 1.0).abs() < 1e-9);
        assert!(score(&[510]) > score(&[590]));
    }

    #[test]
    fn the_threshold_is_the_one_that_earns_most() {
        let series = series();
        let mut anomalies = detected(&[420]);
        anomalies
            .iter_mut()
            .skip(600)
            .step_by(10)
            .for_each(|anomaly| *anomaly = 0.5);
        let corpus = [(&series, anomalies.as_slice())];
        assert_eq!(best_threshold(&corpus, &STANDARD), 1.0);
        let silent = [(&series, anomalies.get(500..500).unwrap())];
        assert_eq!(best_threshold(&silent, &STANDARD), f64::INFINITY);
    }
}
