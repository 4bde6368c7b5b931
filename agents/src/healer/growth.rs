//! Whether memory grows steadily towards its limit: the one test that noticing and the leak rule share.

use ostler_agents_kit::trend::{self, Line};
use ostler_core::{
    signal::Point,
    time::{Span, Time},
};

/// Fewest points to speak of growth.
const POINTS: usize = 8;
/// Shortest stretch to speak of growth.
const SPAN: Span = Span::seconds(45);
/// How well a straight line must fit.
const FIT: f64 = 0.85;
/// Share of the limit below which growth is not yet worth a thought.
const SHARE: f64 = 0.5;
/// Growth that reaches the limit later than this is nobody's worry now.
const HORIZON: Span = Span::minutes(15);

/// A run that would reach its limit sooner than this after its start is no leak that a restart helps
/// against: either it loads what it needs and stops there, or it would be at its limit again at once.
const SHORTEST_LIFE: Span = Span::minutes(2);

/// Steady growth of a memory share towards 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The line.
    pub line: Line,
    /// When the limit is reached if it goes on.
    pub reaches_limit_in: Span,
}

/// Growth that is steady since the process started, still goes on, and reaches the limit soon.
/// What settles at a level after a start (a cache that fills) is not growth.
pub fn towards_limit(points: &[Point], started_at: Option<Time>) -> Option<Growth> {
    let own = started_at.map_or(points, |started| {
        trend::since(points, started + Span::seconds(10))
    });
    let own = trend::since_last_fall(own);
    let line = trend::line(own)?;
    let steady =
        line.points >= POINTS && line.span >= SPAN && line.fit >= FIT && line.last >= SHARE;
    let last_third = own.get(own.len() * 2 / 3..).unwrap_or_default();
    let still =
        trend::line(last_third).is_some_and(|late| late.per_second >= line.per_second * 0.4);
    let reaches_limit_in = line.reaches(1.0).filter(|span| *span <= HORIZON)?;
    let lives = |(started, last): (Time, &Point)| {
        Span(last.at.since(started).0.saturating_add(reaches_limit_in.0))
    };
    let life = started_at.zip(own.last()).map(lives);
    let lasting = life.is_none_or(|life| life >= SHORTEST_LIFE);
    (steady && still && lasting).then_some(Growth {
        line,
        reaches_limit_in,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        values
            .into_iter()
            .enumerate()
            .map(|(i, value)| Point {
                at: Time(10_000 * i as u64),
                value,
            })
            .collect()
    }

    #[test]
    fn steady_growth_is_seen_before_the_limit() {
        let growth =
            towards_limit(&series((0..30).map(|i| 0.3 + 0.01 * f64::from(i))), None).unwrap();
        assert!(
            growth.reaches_limit_in > Span::minutes(5)
                && growth.reaches_limit_in < Span::minutes(8)
        );
    }

    #[test]
    fn a_cache_that_fills_and_settles_is_not_growth() {
        let values = (0..40).map(|i| 0.8 - 0.6 * (-0.25 * f64::from(i)).exp());
        assert_eq!(towards_limit(&series(values), None), None);
    }

    #[test]
    fn what_only_just_started_loads_its_data() {
        let loads = series((0..10).map(|i| 0.3 + 0.07 * f64::from(i)));
        assert!(towards_limit(&loads, None).is_some(), "no start is known");
        assert_eq!(
            towards_limit(&loads, Some(Time(0))),
            None,
            "full within two minutes of its start"
        );
        let leaks = series((0..40).map(|i| 0.3 + 0.01 * f64::from(i)));
        assert!(towards_limit(&leaks, Some(Time(0))).is_some());
    }

    #[test]
    fn slow_low_short_or_noisy_growth_is_not_worth_a_thought() {
        assert_eq!(
            towards_limit(&series((0..60).map(|i| 0.6 + 0.0001 * f64::from(i))), None),
            None,
            "slow"
        );
        assert_eq!(
            towards_limit(&series((0..30).map(|i| 0.05 + 0.01 * f64::from(i))), None),
            None,
            "low"
        );
        assert_eq!(
            towards_limit(&series((0..5).map(|i| 0.6 + 0.01 * f64::from(i))), None),
            None,
            "short"
        );
        let noisy =
            (0..40).map(|i| 0.7 + 0.002 * f64::from(i) + if i % 2 == 0 { 0.15 } else { -0.1 });
        assert_eq!(towards_limit(&series(noisy), None), None, "noisy");
    }

    #[test]
    fn a_restart_begins_anew() {
        let saw = (0..30)
            .map(|i| 0.6 + 0.01 * f64::from(i))
            .chain((0..6).map(|i| 0.2 + 0.01 * f64::from(i)));
        assert_eq!(towards_limit(&series(saw), None), None);
    }
}
