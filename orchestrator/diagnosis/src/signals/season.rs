//! Days repeat themselves: what is normal at night is not what is normal at noon.
//! Picks the part of a history to compare with; knows nothing of measures or of what is bad.

use std::borrow::Cow;

use super::stats::{sorted, spread};

const DAY_S: f64 = 86_400.0;
/// How far from the hour of the day in question a point may lie.
const AROUND_S: f64 = 5_400.0;
/// A history must show so many days before it says anything of days.
const DAYS: f64 = 3.0;
/// Fewer points than this tell no spread.
const ENOUGH: usize = 20;
/// The hour must narrow the spread to this share of the whole, else the day makes no difference.
const NARROWER: f64 = 0.7;

/// The points of `before` that `after` is fairly compared with: those of the same hours of earlier
/// days where history is long enough and the hour matters, else all.
pub(crate) fn alike<'a>(before: &'a [(f64, f64)], after: &[(f64, f64)]) -> Cow<'a, [(f64, f64)]> {
    same_hours(before, after).map_or(Cow::Borrowed(before), Cow::Owned)
}

fn same_hours(before: &[(f64, f64)], after: &[(f64, f64)]) -> Option<Vec<(f64, f64)>> {
    let (first, last) = (before.first()?.0, before.last()?.0);
    let (from, to) = (after.first()?.0, after.last()?.0);
    if last - first < DAYS * DAY_S || to - from > DAY_S / 4.0 {
        return None;
    }
    let middle = f64::midpoint(from, to);
    let reach = AROUND_S.max((to - from) / 2.0);
    let near = |at: f64| {
        let apart = (at - middle).rem_euclid(DAY_S);
        apart.min(DAY_S - apart) <= reach
    };
    let kept: Vec<_> = before.iter().copied().filter(|(at, _)| near(*at)).collect();
    let wide = spread(&sorted(before.iter().map(|(_, value)| *value)))?;
    let narrow = spread(&sorted(kept.iter().map(|(_, value)| *value)))?;
    (kept.len() >= ENOUGH && narrow <= NARROWER * wide).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(count: usize) -> Vec<(f64, f64)> {
        (0..count * 288)
            .map(|i| {
                let at = i as f64 * 300.0;
                let noise = (i % 7) as f64 * 0.1;
                (
                    at,
                    100.0 * (at / DAY_S * std::f64::consts::TAU).sin() + noise,
                )
            })
            .collect()
    }

    #[test]
    fn the_same_hours_are_taken_where_they_matter() {
        let points = days(5);
        let (before, after) = points.split_at(4 * 288);
        let chosen = alike(before, after.get(..3).unwrap());
        assert!(chosen.len() < before.len());
        assert!(chosen.iter().all(|(_, value)| value.abs() < 45.0));
    }

    #[test]
    fn a_short_history_is_taken_whole() {
        let points = days(2);
        let (before, after) = points.split_at(400);
        assert_eq!(alike(before, after).len(), 400);
    }
}
