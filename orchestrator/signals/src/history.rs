//! An hour of every series with bounded memory: five minutes fine, the rest coarse; of services and
//! nodes a day and more, coarser still.
//!
//! A series costs at most about 4.5 KiB: 150 fine points and 130 coarse ones of 16 bytes each; one of
//! a service or node 4.7 KiB more.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{PoisonError, RwLock},
};

use ostler_core::{
    signal::{Point, Series, SignalKind, SignalReader, Subject},
    time::{Span, Time},
};

/// How far apart fine points are at least.
pub const FINE_STEP: Span = Span::seconds(2);
/// How far apart coarse points are at least.
pub const COARSE_STEP: Span = Span::seconds(30);
const FINE_LIMIT: usize = 150;
const COARSE_LIMIT: usize = 130;
/// How far apart points of the day are at least.
pub const DAY_STEP: Span = Span::minutes(5);
const DAY_LIMIT: usize = 300;
/// Most series kept; beyond it new ones are not recorded, and that is counted.
pub const SERIES_LIMIT: usize = 20_000;

/// The recorder and its readers share one of these.
#[derive(Debug, Default)]
pub struct History {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    series: BTreeMap<Subject, BTreeMap<SignalKind, Recorded>>,
    count: usize,
    refused: u64,
}

#[derive(Debug, Default)]
struct Recorded {
    fine: VecDeque<(Time, f32)>,
    coarse: VecDeque<(Time, f32)>,
    /// Only of what lives longer than instances do.
    day: Option<VecDeque<(Time, f32)>>,
}

impl Recorded {
    fn of(subject: &Subject) -> Self {
        let lasts = !matches!(subject, Subject::Instance(_));
        Self {
            day: lasts.then(VecDeque::new),
            ..Self::default()
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "seven digits are enough for a signal"
    )]
    fn push(&mut self, kind: SignalKind, at: Time, value: f64) {
        let point = (at, value as f32);
        let join = |before, newer| joined(kind, before, newer);
        push_spaced(&mut self.fine, point, (FINE_STEP, FINE_LIMIT), join);
        push_spaced(&mut self.coarse, point, (COARSE_STEP, COARSE_LIMIT), join);
        if let Some(day) = &mut self.day {
            push_spaced(day, point, (DAY_STEP, DAY_LIMIT), join);
        }
    }

    /// Points of the day older than the first coarse one, coarse ones older than the first fine one,
    /// then the fine ones.
    fn points(&self) -> impl Iterator<Item = Point> {
        let first =
            |points: &VecDeque<(Time, f32)>| points.front().map_or(Time(u64::MAX), |point| point.0);
        let first_fine = first(&self.fine);
        let first_coarse = first(&self.coarse).min(first_fine);
        let day = self.day.iter().flatten();
        let day = day.filter(move |point| point.0 < first_coarse);
        let coarse = self.coarse.iter().filter(move |point| point.0 < first_fine);
        day.chain(coarse)
            .chain(self.fine.iter())
            .map(|(at, value)| Point {
                at: *at,
                value: f64::from(*value),
            })
    }
}

/// What is kept of two values of a step: the newer, but of memory the higher, since that is what kills.
fn joined(kind: SignalKind, before: f32, newer: f32) -> f32 {
    match kind {
        SignalKind::MemoryBytes => before.max(newer),
        _ => newer,
    }
}

/// Keeps one point for each `step` of time: a newer one in the same step is joined to the last.
fn push_spaced(
    points: &mut VecDeque<(Time, f32)>,
    (at, value): (Time, f32),
    (step, limit): (Span, usize),
    join: impl Fn(f32, f32) -> f32,
) {
    if points.back().is_some_and(|last| at < last.0) {
        points.clear(); // The clock jumped back; an order that lies helps nobody.
    }
    let same = |last: &mut (Time, f32)| last.0.0 / step.0 == at.0 / step.0;
    let value = match points.pop_back_if(same) {
        Some((_, before)) => join(before, value),
        None => value,
    };
    if points.len() >= limit {
        points.pop_front();
    }
    points.push_back((at, value));
}

impl History {
    /// Records one value; values that are not finite are dropped.
    pub fn record(&self, subject: &Subject, kind: SignalKind, at: Time, value: f64) {
        if !value.is_finite() {
            return;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        let known = inner
            .series
            .get(subject)
            .is_some_and(|kinds| kinds.contains_key(&kind));
        if !known {
            if inner.count >= SERIES_LIMIT {
                inner.refused += 1;
                return;
            }
            inner.count += 1;
        }
        inner
            .series
            .entry(subject.clone())
            .or_default()
            .entry(kind)
            .or_insert_with(|| Recorded::of(subject))
            .push(kind, at, value);
    }

    /// The newest value of a series, with its moment.
    pub fn last(&self, subject: &Subject, kind: SignalKind) -> Option<Point> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let recorded = inner.series.get(subject)?.get(&kind)?;
        recorded.fine.back().map(|(at, value)| Point {
            at: *at,
            value: f64::from(*value),
        })
    }

    /// Forgets subjects that are gone.
    pub fn retain(&self, keep: impl Fn(&Subject) -> bool) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.series.retain(|subject, _| keep(subject));
        inner.count = inner.series.values().map(BTreeMap::len).sum();
    }

    /// Series kept, and values refused because there were too many series.
    pub fn size(&self) -> (usize, u64) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        (inner.count, inner.refused)
    }
}

impl SignalReader for History {
    fn series(
        &self,
        subject: &Subject,
        kind: SignalKind,
        from: Time,
        to: Time,
        points: usize,
    ) -> Series {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let recorded = inner.series.get(subject).and_then(|kinds| kinds.get(&kind));
        let all: Vec<Point> = recorded
            .map(|recorded| {
                recorded
                    .points()
                    .filter(|point| (from..=to).contains(&point.at))
                    .collect()
            })
            .unwrap_or_default();
        Series {
            subject: subject.clone(),
            kind,
            points: thin(all, points),
        }
    }

    fn kinds(&self, subject: &Subject) -> Vec<SignalKind> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner
            .series
            .get(subject)
            .map(|kinds| kinds.keys().copied().collect())
            .unwrap_or_default()
    }
}

/// Keeps the last point and thins the others evenly.
fn thin(all: Vec<Point>, limit: usize) -> Vec<Point> {
    if all.len() <= limit || limit == 0 {
        return if limit == 0 { Vec::new() } else { all };
    }
    let count = all.len();
    let wanted = |index: usize| (index + 1) * limit / count > index * limit / count;
    all.into_iter()
        .enumerate()
        .filter(|(index, _)| wanted(*index))
        .map(|(_, point)| point)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::Service("default/shop".parse().unwrap())
    }

    #[test]
    fn an_hour_stays_bounded_and_ordered() {
        let history = History::default();
        for second in 0..7_200 {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            history.record(
                &subject(),
                SignalKind::RequestRate,
                Time(second * 1_000),
                second as f64,
            );
        }
        let series = history.series(
            &subject(),
            SignalKind::RequestRate,
            Time(0),
            Time(u64::MAX),
            1_000,
        );
        assert!(series.points.len() <= FINE_LIMIT + COARSE_LIMIT + DAY_LIMIT);
        assert!(series.points.windows(2).all(|pair| pair[0].at < pair[1].at));
        let covered = series.points.last().unwrap().at.since(series.points[0].at);
        assert!(covered >= Span::minutes(55), "{covered}");
        assert_eq!(series.points.last().unwrap().value, 7_199.0);
    }

    #[test]
    fn a_service_is_known_for_a_day_and_an_instance_for_an_hour() {
        let history = History::default();
        let instance = Subject::Instance("shop-1".parse().unwrap());
        for minute in 0..60 * 48 {
            let at = Time(minute * 60_000);
            history.record(&subject(), SignalKind::RequestRate, at, 1.0);
            history.record(&instance, SignalKind::RequestRate, at, 1.0);
        }
        let covers = |subject: &Subject| {
            let kind = SignalKind::RequestRate;
            let series = history.series(subject, kind, Time(0), Time(u64::MAX), 10_000);
            let points = series.points;
            assert!(points.len() <= FINE_LIMIT + COARSE_LIMIT + DAY_LIMIT);
            assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
            points.last().unwrap().at.since(points[0].at)
        };
        assert!(covers(&subject()) >= Span::minutes(24 * 60));
        assert!(covers(&instance) <= Span::minutes(60 * 3));
    }

    #[test]
    fn gaps_stay_gaps_and_nonsense_is_dropped() {
        let history = History::default();
        history.record(&subject(), SignalKind::ErrorRatio, Time(1_000), f64::NAN);
        history.record(&subject(), SignalKind::ErrorRatio, Time(2_000), 0.5);
        history.record(&subject(), SignalKind::ErrorRatio, Time(900_000), 0.25);
        let series = history.series(
            &subject(),
            SignalKind::ErrorRatio,
            Time(0),
            Time(u64::MAX),
            10,
        );
        assert_eq!(
            series
                .points
                .iter()
                .map(|point| point.value)
                .collect::<Vec<_>>(),
            [0.5, 0.25]
        );
    }

    #[test]
    fn thinning_keeps_the_newest() {
        let points: Vec<Point> = (0..100)
            .map(|at| Point {
                at: Time(at),
                value: 1.0,
            })
            .collect();
        let thinned = thin(points, 7);
        assert_eq!(thinned.len(), 7);
        assert_eq!(thinned[6].at, Time(99));
    }

    #[test]
    fn of_memory_the_highest_of_a_stretch_is_kept_and_of_others_the_last() {
        let history = History::default();
        let service = Subject::Service("shop/cart".parse().unwrap());
        let all = [(0, 5.0), (10, 90.0), (20, 7.0)];
        for kind in [SignalKind::MemoryBytes, SignalKind::CpuCores] {
            for (second, value) in all {
                history.record(&service, kind, Time(second * 1_000), value);
            }
            // Hours later only the day is left of it.
            for step in 0..4_000_u64 {
                let at = Time(600_000 + step * 5_000);
                history.record(&service, kind, at, 1.0);
            }
        }
        let first = |kind| {
            let series = history.series(&service, kind, Time(0), Time(u64::MAX), 10_000);
            series.points.first().map(|point| point.value)
        };
        assert_eq!(first(SignalKind::MemoryBytes), Some(90.0));
        assert_eq!(first(SignalKind::CpuCores), Some(7.0));
    }
}
