//! How busy the parts of a path may be, and how many CPUs that takes of each: instances of a size that stays, so room
//! is kept for what may come while one starts, and for the death of one.

use crate::capacity::{Curve, Part};

/// Nothing is planned to be busier than this, whatever the curve says.
const BUSIEST: f64 = 0.92;
/// Nor held below this: if that is not enough, more of the same does not help.
const LEAST_BUSY: f64 = 0.2;
/// The plan keeps this share of the objective.
const SHARE_OF_OBJECTIVE: f64 = 0.95;
/// With this much of its CPU in use a service just keeps up.
const KEEPS_UP: f64 = 0.9;
/// How busy instances usually are: how many there should be is reckoned with it.
pub const USUAL: f64 = 0.75;
/// One service of a path, as it is about to be sized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sized {
    /// Times that a request of the path's users comes by.
    pub visits: f64,
    /// CPU seconds of each time.
    pub work_s: f64,
    /// CPUs in use at the highest demand that may come.
    pub high: f64,
    /// CPUs in use at the expected demand.
    pub expected: f64,
    /// CPUs of each instance.
    pub cores: f64,
}

impl Sized {
    /// All its CPU, when it may be so busy at the highest demand: at least so much that the expected
    /// demand is kept up with when an instance is lost.
    #[must_use]
    pub fn total(&self, busy: f64) -> f64 {
        // The bare rest, spread over one instance less.
        (self.high / busy).max(self.expected / KEEPS_UP + self.cores)
    }

    fn part(&self, busy: f64) -> Part {
        let total = self.total(busy);
        Part {
            visits: self.visits,
            work_s: self.work_s,
            cores: self.cores,
            utilisation: self.high / total.max(1e-6),
        }
    }
}

/// The 99th percentile of a path that is so busy, in seconds.
#[must_use]
pub fn p99_s(curve: &Curve, path: &[Sized], busy: f64) -> f64 {
    let parts: Vec<Part> = path.iter().map(|one| one.part(busy)).collect();
    curve.p99_s(&parts)
}

/// How busy all parts may be at the highest demand, so that the path keeps its objective: the bound of its
/// 99th percentile, in seconds. Less CPU makes a part busier and, below one CPU, slower; both are in it.
#[must_use]
pub fn busy(curve: &Curve, path: &[Sized], objective_s: f64) -> f64 {
    let fits = |busy: f64| p99_s(curve, path, busy) <= objective_s * SHARE_OF_OBJECTIVE;
    let (mut low, mut high) = (LEAST_BUSY, BUSIEST);
    if fits(high) {
        return high;
    }
    for _ in 0..12 {
        let middle = f64::midpoint(low, high);
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Instances of a size for so many CPUs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held within bounds just before"
)]
#[must_use]
pub fn count(total: f64, size: f64) -> u32 {
    (total / size.max(0.01) - 1e-6).ceil().clamp(1.0, 100_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(high: f64, cores: f64) -> [Sized; 1] {
        [Sized {
            visits: 1.0,
            work_s: 0.02,
            high,
            expected: high * 0.9,
            cores,
        }]
    }

    #[test]
    fn a_tighter_objective_leaves_more_idle() {
        let curve = Curve::default();
        let at = |objective_s| busy(&curve, &path(8.0, 1.0), objective_s);
        assert!(at(0.15) < at(0.3) && at(0.3) < at(1.0));
        assert!((at(100.0) - BUSIEST).abs() < 1e-9);
        assert!(
            (at(0.001) - LEAST_BUSY).abs() < 1e-3,
            "an objective that cannot be kept asks for no madness"
        );
    }

    #[test]
    fn an_instance_less_is_survived() {
        let [few] = path(1.0, 1.0);
        assert!(
            few.total(0.9) >= 1.0 + 1.0,
            "without one, the rest bears what is expected"
        );
        let [many] = path(100.0, 1.0);
        assert!(
            (many.total(0.9) - 100.0 / 0.9).abs() < 0.05,
            "of many, one is not missed"
        );
    }

    #[test]
    fn counts_are_whole_and_never_none() {
        assert_eq!(
            (count(4.01, 1.0), count(4.0, 1.0), count(0.0, 1.0)),
            (5, 4, 1)
        );
    }
}
