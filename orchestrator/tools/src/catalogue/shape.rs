//! The shape of a series in a few numbers: what a model or a person reads instead of the points.

use ostler_core::signal::Point;

use crate::answer::Shape;

/// The shape of points in order of time; nothing when there are none.
pub fn of(points: &[Point]) -> Option<Shape> {
    let (first, last) = (points.first()?, points.last()?);
    let values = || points.iter().map(|point| point.value);
    let line = line(points);
    Some(Shape {
        first: first.value,
        last: last.value,
        last_at: last.at,
        min: values().fold(f64::INFINITY, f64::min),
        max: values().fold(f64::NEG_INFINITY, f64::max),
        mean: values().sum::<f64>() / as_f64(points.len()),
        slope_per_minute: line.map(|(slope, _)| slope),
        fit: line.map(|(_, fit)| fit),
        gaps: gaps(points),
        count: u32::try_from(points.len()).unwrap_or(u32::MAX),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a series has at most 500 points"
)]
const fn as_f64(count: usize) -> f64 {
    count as f64
}

/// Slope a minute of the least-squares line, and its R².
fn line(points: &[Point]) -> Option<(f64, f64)> {
    let start = points.first()?.at;
    if points.len() < 3 {
        return None;
    }
    let minutes = |point: &Point| point.at.since(start).as_secs_f64() / 60.0;
    let count = as_f64(points.len());
    let mean_x = points.iter().map(minutes).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.value).sum::<f64>() / count;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for point in points {
        let (x, y) = (minutes(point) - mean_x, point.value - mean_y);
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    if xx <= 0.0 {
        return None;
    }
    let fit = if yy > 0.0 {
        (xy * xy / (xx * yy)).clamp(0.0, 1.0)
    } else {
        1.0
    };
    Some((xy / xx, fit))
}

/// How many intervals are longer than three median ones.
fn gaps(points: &[Point]) -> u32 {
    let intervals: Vec<u64> = points
        .iter()
        .zip(points.iter().skip(1))
        .map(|(a, b)| b.at.since(a.at).0)
        .collect();
    let mut sorted = intervals.clone();
    sorted.sort_unstable();
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    let long = intervals
        .iter()
        .filter(|interval| **interval > usual.saturating_mul(3));
    u32::try_from(long.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_core::time::Time;

    fn points(values: &[(u64, f64)]) -> Vec<Point> {
        values
            .iter()
            .map(|(second, value)| Point {
                at: Time(second * 1_000),
                value: *value,
            })
            .collect()
    }

    #[test]
    fn a_steady_climb_has_its_slope_and_a_perfect_fit() {
        let shape = of(&points(&[(0, 10.0), (60, 12.0), (120, 14.0), (180, 16.0)])).unwrap();
        assert!((shape.slope_per_minute.unwrap() - 2.0).abs() < 1e-9);
        assert!((shape.fit.unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(
            (shape.min, shape.max, shape.last, shape.count, shape.gaps),
            (10.0, 16.0, 16.0, 4, 0)
        );
    }

    #[test]
    fn a_hole_is_a_gap_and_never_a_zero() {
        let shape = of(&points(&[
            (0, 5.0),
            (10, 5.0),
            (20, 5.0),
            (90, 5.0),
            (100, 5.0),
        ]))
        .unwrap();
        assert_eq!((shape.gaps, shape.min), (1, 5.0));
        assert_eq!(shape.slope_per_minute, Some(0.0));
    }

    #[test]
    fn too_few_points_have_no_slope() {
        assert!(of(&[]).is_none());
        let shape = of(&points(&[(0, 1.0), (1, 2.0)])).unwrap();
        assert_eq!((shape.slope_per_minute, shape.fit), (None, None));
        assert_eq!(
            of(&points(&[(5, 1.0), (5, 2.0), (5, 3.0)]))
                .unwrap()
                .slope_per_minute,
            None
        );
    }
}
