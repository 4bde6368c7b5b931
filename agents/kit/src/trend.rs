//! Small statistics over short series: mean, slope, how steady, when a bound is reached.

use ostler_core::{
    signal::Point,
    time::{Span, Time},
};

/// A straight line through points by least squares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Change of the value per second.
    pub per_second: f64,
    /// Value on the line at the last point.
    pub last: f64,
    /// Share of the variance that the line explains, 0 to 1.
    pub fit: f64,
    /// How much time the points span.
    pub span: Span,
    /// How many points.
    pub points: usize,
}

/// The points at or after a moment.
#[must_use]
pub fn since(points: &[Point], from: Time) -> &[Point] {
    let start = points.partition_point(|point| point.at < from);
    points.get(start..).unwrap_or_default()
}

/// The points before a moment.
#[must_use]
pub fn before(points: &[Point], until: Time) -> &[Point] {
    let end = points.partition_point(|point| point.at < until);
    points.get(..end).unwrap_or_default()
}

/// The mean; `None` of nothing.
#[must_use]
pub fn mean(points: &[Point]) -> Option<f64> {
    let count = f64::from(u32::try_from(points.len()).ok()?);
    (count > 0.0).then(|| points.iter().map(|point| point.value).sum::<f64>() / count)
}

/// The share of points above a bound; `None` of nothing.
#[must_use]
pub fn share_above(points: &[Point], bound: f64) -> Option<f64> {
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let above =
        f64::from(u32::try_from(points.iter().filter(|point| point.value > bound).count()).ok()?);
    (count > 0.0).then(|| above / count)
}

/// The line through the points; `None` of fewer than three or without any span of time.
#[must_use]
pub fn line(points: &[Point]) -> Option<Line> {
    let (first, last) = (points.first()?, points.last()?);
    let span = last.at.since(first.at);
    let seconds = |point: &Point| point.at.since(first.at).as_secs_f64();
    let count = f64::from(u32::try_from(points.len()).ok()?);
    if points.len() < 3 || span.0 == 0 {
        return None;
    }
    let mean_x = points.iter().map(seconds).sum::<f64>() / count;
    let mean_y = mean(points)?;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for point in points {
        let (dx, dy) = (seconds(point) - mean_x, point.value - mean_y);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    let per_second = xy / xx;
    let fit = if yy > 0.0 {
        (xy * xy / (xx * yy)).clamp(0.0, 1.0)
    } else {
        0.0
    };
    Some(Line {
        per_second,
        last: mean_y + per_second * (seconds(last) - mean_x),
        fit,
        span,
        points: points.len(),
    })
}

impl Line {
    /// How long until the line reaches a bound; `None` when it leads away from it.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be finite, positive and below a year"
    )]
    pub fn reaches(&self, bound: f64) -> Option<Span> {
        if self.last >= bound {
            return Some(Span(0));
        }
        let seconds = (bound - self.last) / self.per_second;
        (self.per_second > 0.0 && seconds < 31_536_000.0)
            .then_some(Span((seconds * 1_000.0) as u64))
    }
}

/// The points since the last steep fall (a restart): a fall of more than a third of the value before.
#[must_use]
pub fn since_last_fall(points: &[Point]) -> &[Point] {
    let falls = points
        .windows(2)
        .rposition(|pair| matches!(pair, [a, b] if b.value < a.value * 0.66));
    falls.map_or(points, |index| points.get(index + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Vec<Point> {
        values
            .iter()
            .enumerate()
            .map(|(i, v)| Point {
                at: Time(1_000 * i as u64),
                value: *v,
            })
            .collect()
    }

    #[test]
    fn a_straight_rise_is_found_and_projected() {
        let line = line(&series(&[0.5, 0.51, 0.52, 0.53, 0.54])).unwrap();
        assert!((line.per_second - 0.01).abs() < 1e-9 && line.fit > 0.999);
        assert!((45_900..=46_000).contains(&line.reaches(1.0).unwrap().0));
    }

    #[test]
    fn a_flat_or_falling_line_reaches_nothing_above() {
        assert_eq!(line(&series(&[0.5, 0.5, 0.5])).unwrap().reaches(1.0), None);
        assert_eq!(line(&series(&[0.5, 0.4, 0.3])).unwrap().reaches(1.0), None);
        assert!(line(&series(&[0.5, 0.6])).is_none());
    }

    #[test]
    fn only_what_came_after_the_last_fall_counts() {
        let points = series(&[0.7, 0.8, 0.9, 0.2, 0.25, 0.3]);
        assert_eq!(since_last_fall(&points).len(), 3);
    }

    #[test]
    fn windows_split_at_a_moment() {
        let points = series(&[1.0, 2.0, 3.0]);
        assert_eq!(
            (
                before(&points, Time(1_000)).len(),
                since(&points, Time(1_000)).len()
            ),
            (1, 2)
        );
        assert_eq!(mean(&[]), None);
        assert_eq!(share_above(&points, 1.5), Some(2.0 / 3.0));
    }
}
