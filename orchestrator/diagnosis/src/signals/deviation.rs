//! How far a signal left its own normal after trouble was noticed.
//! One signal at a time: what belongs together is put together by [`super::flow`] and [`super::resource`].

use crate::picture::{Measure, Signal};

use super::asked::{Explained, UNCHANGED};
use super::season;
use super::stats::{median, quantile, sorted, spread};

/// Which quantile of the points after the notice stands for them, counted towards the bad: trouble
/// may begin within the first point and be over in the last ones, and one wild point is no trouble.
const STANDS_FOR: f64 = 0.75;
/// Changes below this share of the level are never surprising, however calm the signal was.
const RELATIVE_FLOOR: f64 = 0.02;
/// From so many points after the notice on, the level of all of history is compared with, not
/// the latest one: so long a stretch has seen as much of daily life as the history.
const LONG: usize = 30;
/// Fewer points than this tell a level and no spread, so a wider one is assumed: this many times the floor.
const FEW: usize = 5;
const FEW_WIDER: f64 = 5.0;
/// At most so many points before the notice say what the level was just then.
const LATEST: usize = 12;
/// A hole this many usual steps wide ends what is called the latest points.
const HOLE: f64 = 3.0;

/// Into about so many points those after the notice are gathered.
const GATHERED: usize = 12;

/// What a signal did.
#[derive(Debug, Clone)]
pub(crate) struct Deviation<'a> {
    /// Its place in the picture's list.
    pub index: usize,
    /// The signal.
    pub signal: &'a Signal,
    /// Its normal level.
    pub before: f64,
    /// The level that what it is asked for explains.
    pub level: f64,
    /// What it came to.
    pub after: f64,
    /// By how much it changed for the worse; never negative.
    pub change: f64,
    /// The change in standard deviations of its normal, negative where it became better.
    pub surprise: f64,
    /// Which share of its history was as bad.
    pub usual: f64,
}

/// Which way is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    Up,
    Down,
    Either,
}

/// What the signal did from `noticed` on, beyond what is explained; nothing where either side of it is
/// not known.
pub(crate) fn of(
    index: usize,
    signal: &Signal,
    noticed: f64,
    explained: Explained,
) -> Option<Deviation<'_>> {
    let cut = signal.points.partition_point(|(at, _)| *at < noticed);
    let (before, after) = signal.points.split_at_checked(cut)?;
    if signal.measure == Measure::Errors {
        let [before, after] = gathered(before, after);
        return beyond(index, signal, &before, &after, explained);
    }
    beyond(index, signal, before, after, explained)
}

/// Errors come seldom: where a point holds none or one, only several points together tell how many.
fn gathered(before: &[(f64, f64)], after: &[(f64, f64)]) -> [Vec<(f64, f64)>; 2] {
    let each = (after.len() / GATHERED).max(1);
    let mean = |points: &[(f64, f64)]| {
        let sum: f64 = points.iter().map(|(_, value)| value).sum();
        Some((points.first()?.0, sum / points.len() as f64))
    };
    let mut earlier: Vec<_> = before.rchunks(each).filter_map(mean).collect();
    earlier.reverse();
    [earlier, after.chunks(each).filter_map(mean).collect()]
}

/// By how much the signal fell, whichever way is bad for it.
pub(crate) fn fallen(index: usize, signal: &Signal, noticed: f64) -> Option<Deviation<'_>> {
    let cut = signal.points.partition_point(|(at, _)| *at < noticed);
    let (before, after) = signal.points.split_at_checked(cut)?;
    towards(index, signal, before, after, (-1.0, 1.0))
}

/// What a count did that nobody had begun before `noticed`, though its owner was watched: many
/// monitors know a count from the first thing that is counted.
pub(crate) fn first_counted(index: usize, signal: &Signal, noticed: f64) -> Option<Deviation<'_>> {
    let (first, _) = signal.points.first()?;
    let counts = matches!(signal.measure, Measure::Errors | Measure::Restarts);
    if !counts || *first < noticed {
        return None;
    }
    let stands = quantile(
        &sorted(signal.points.iter().map(|(_, value)| *value)),
        STANDS_FOR,
    )?;
    Some(Deviation {
        index,
        signal,
        before: 0.0,
        level: 0.0,
        after: stands,
        change: stands.max(0.0),
        surprise: stands / (floor(signal, 0.0) * FEW_WIDER),
        usual: 0.0,
    })
}

/// The same for two given stretches of its points, with nothing explained.
pub(crate) fn between<'a>(
    index: usize,
    signal: &'a Signal,
    before: &[(f64, f64)],
    after: &[(f64, f64)],
) -> Option<Deviation<'a>> {
    beyond(index, signal, before, after, UNCHANGED)
}

fn beyond<'a>(
    index: usize,
    signal: &'a Signal,
    before: &[(f64, f64)],
    after: &[(f64, f64)],
    explained: Explained,
) -> Option<Deviation<'a>> {
    let up = || towards(index, signal, before, after, (1.0, explained.most));
    let down = || towards(index, signal, before, after, (-1.0, explained.least));
    match bad(signal.measure) {
        Bad::Up => up(),
        Bad::Down => down(),
        Bad::Either => {
            let (up, down) = (up()?, down()?);
            Some(if down.surprise > up.surprise {
                down
            } else {
                up
            })
        }
    }
}

fn bad(measure: Measure) -> Bad {
    match measure {
        Measure::Availability => Bad::Down,
        Measure::Errors
        | Measure::Latency
        | Measure::Cpu
        | Measure::Memory
        | Measure::Load
        | Measure::Restarts => Bad::Up,
        Measure::Rate | Measure::Disk | Measure::Network | Measure::Other => Bad::Either,
    }
}

fn towards<'a>(
    index: usize,
    signal: &'a Signal,
    before: &[(f64, f64)],
    after: &[(f64, f64)],
    (sign, times): (f64, f64),
) -> Option<Deviation<'a>> {
    let values = |points: &[(f64, f64)]| sorted(points.iter().map(|(_, value)| value * sign));
    let history = values(&season::alike(before, after));
    let now = values(after);
    if history.is_empty() || now.is_empty() {
        return None;
    }
    let usual = median(&history)?;
    let (level, known) = if now.len() < LONG {
        let latest = values(latest(before));
        (median(&latest)?, latest.len())
    } else {
        (usual, history.len())
    };
    let (before, level) = (level, level * times);
    let wider = if history.len() < FEW { FEW_WIDER } else { 1.0 };
    let scale = spread(&history)?.max(floor(signal, usual) * wider) * times.max(1.0);
    let stands = quantile(&now, STANDS_FOR)?;
    // A level that few points tell is itself uncertain.
    let doubt = (1.0 + 1.0 / known as f64).sqrt();
    let as_bad = history.len() - history.partition_point(|value| *value < stands);
    Some(Deviation {
        index,
        signal,
        before: before * sign,
        level: level * sign,
        after: stands * sign,
        change: (stands - level).max(0.0),
        surprise: (stands - level) / (scale * doubt),
        usual: as_bad as f64 / history.len() as f64,
    })
}

/// The level that a stretch of points is compared with.
pub(crate) fn level(before: &[(f64, f64)], after: &[(f64, f64)]) -> Option<f64> {
    let points = if after.len() < LONG {
        latest(before)
    } else {
        before
    };
    median(&sorted(points.iter().map(|(_, value)| *value)))
}

/// Whether errors are a count and not a share: shares come from 0 to 1.
pub(crate) fn counted(signal: &Signal) -> bool {
    largest(signal) > 1.5
}

fn largest(signal: &Signal) -> f64 {
    let sizes = signal.points.iter().map(|(_, value)| value.abs());
    sizes.fold(0.0, f64::max)
}

/// The points right before the notice, back to the first hole.
fn latest(before: &[(f64, f64)]) -> &[(f64, f64)] {
    let steps = sorted(gaps(before));
    let usual = median(&steps).unwrap_or(f64::INFINITY);
    let reach = gaps(before)
        .rev()
        .take_while(|gap| *gap <= HOLE * usual)
        .count()
        + 1;
    let from = before.len().saturating_sub(reach.min(LATEST));
    before.get(from..).unwrap_or(before)
}

fn gaps(points: &[(f64, f64)]) -> impl DoubleEndedIterator<Item = f64> + '_ {
    let later = points.iter().skip(1);
    points
        .iter()
        .take(points.len().saturating_sub(1))
        .zip(later)
        .map(|((a, _), (b, _))| b - a)
}

/// The smallest spread that is believed, in the signal's units.
fn floor(signal: &Signal, usual: f64) -> f64 {
    let one_in_a_thousand = match signal.measure {
        // Shares come from 0 to 1 or from 0 to 100.
        Measure::Availability if largest(signal) > 1.5 => 0.1,
        Measure::Availability => 0.001,
        Measure::Errors if counted(signal) => 0.2,
        Measure::Errors => 0.001,
        Measure::Restarts => 0.2,
        _ => f64::MIN_POSITIVE,
    };
    // A good share stands near its whole, of which a fiftieth would be a lot.
    let relative = if signal.measure == Measure::Availability {
        0.0
    } else {
        RELATIVE_FLOOR
    };
    (usual.abs() * relative).max(one_in_a_thousand)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(measure: Measure, values: &[f64]) -> Signal {
        let points = values
            .iter()
            .enumerate()
            .map(|(i, v)| (i as f64, *v))
            .collect();
        Signal {
            object: "app/a".into(),
            measure,
            name: "m".into(),
            points,
        }
    }

    #[test]
    fn a_step_is_surprising_and_a_calm_signal_is_not() {
        let calm: Vec<f64> = (0..40).map(|i| 10.0 + f64::from(i % 3)).collect();
        let mut step = calm.clone();
        step.extend([40.0, 41.0, 39.0]);
        let step = signal(Measure::Latency, &step);
        assert!(of(0, &step, 40.0, UNCHANGED).unwrap().surprise > 20.0);
        let calm = signal(Measure::Latency, &calm);
        assert!(of(0, &calm, 37.0, UNCHANGED).unwrap().surprise < 3.0);
    }

    #[test]
    fn good_availability_that_falls_is_bad_and_latency_that_falls_is_not() {
        let fell = signal(Measure::Availability, &[100.0, 100.0, 100.0, 90.0, 91.0]);
        let deviation = of(0, &fell, 3.0, UNCHANGED).unwrap();
        assert!(deviation.surprise > 5.0 && deviation.change > 8.0);
        let faster = signal(Measure::Latency, &[10.0, 10.0, 10.0, 1.0, 1.0]);
        assert!(of(0, &faster, 3.0, UNCHANGED).unwrap().surprise < 0.0);
    }

    #[test]
    fn one_side_alone_says_nothing() {
        let all_after = signal(Measure::Cpu, &[1.0, 2.0, 3.0]);
        assert!(of(0, &all_after, 0.0, UNCHANGED).is_none());
        assert!(of(0, &all_after, 9.0, UNCHANGED).is_none());
    }

    #[test]
    fn points_before_a_hole_are_history_and_not_the_latest() {
        let points = [
            (0.0, 1.0),
            (1.0, 1.0),
            (2.0, 1.0),
            (100.0, 5.0),
            (101.0, 5.0),
        ];
        assert_eq!(latest(&points), &[(100.0, 5.0), (101.0, 5.0)]);
    }
}
