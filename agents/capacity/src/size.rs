//! How much CPU, over how many instances: in-place changes of CPU take effect at once and restart
//! nothing, new instances take a while. So instances are chosen for what may come while one starts, and
//! CPU for what may come before the next look.

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
/// CPU is asked for in such pieces.
pub const PIECE: f64 = 0.05;
/// Sizes that are weighed: CPUs of one instance.
const SIZES: [f64; 6] = [0.25, 0.5, 1.0, 1.5, 2.0, 3.0];

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
    /// How it is given more.
    pub by: By,
}

/// How a service is given more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum By {
    /// More CPU for so many instances, each within these bounds.
    Cpu {
        /// Instances.
        count: u32,
        /// Fewest CPUs of each.
        least: f64,
        /// Most CPUs of each.
        most: f64,
    },
    /// More instances of so many CPUs.
    Instances {
        /// CPUs of each.
        cores: f64,
    },
}

impl Sized {
    /// All its CPU, when it may be so busy at the highest demand: at least so much that the expected
    /// demand is kept up with when an instance is lost.
    #[must_use]
    pub fn total(&self, busy: f64) -> f64 {
        let enough = self.high / busy;
        match self.by {
            By::Cpu { count, least, most } => {
                let count = f64::from(count.max(1));
                let bare = self.expected / KEEPS_UP * count / (count - 1.0).max(1.0);
                enough.max(bare).clamp(count * least, count * most)
            }
            // The bare rest, spread over one instance less.
            By::Instances { cores } => enough.max(self.expected / KEEPS_UP + cores),
        }
    }

    fn part(&self, busy: f64) -> Part {
        let total = self.total(busy);
        let cores = match self.by {
            By::Cpu { count, .. } => total / f64::from(count.max(1)),
            By::Instances { cores } => cores,
        };
        Part {
            visits: self.visits,
            work_s: self.work_s,
            cores,
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

/// CPUs of an instance that is neither so large that the loss of one tells, nor so small that requests
/// wait for each other: of those in a list, the one with which a path needs least CPU for this part.
#[must_use]
pub fn instance(
    curve: &Curve,
    path: &[Sized],
    place: usize,
    objective_s: f64,
    bounds: (u32, u32),
) -> Option<f64> {
    let By::Cpu { least, most, .. } = path.get(place)?.by else {
        return None;
    };
    let cost = |size: f64| {
        let mut path = path.to_vec();
        let one = path.get_mut(place)?;
        let count = count(one.high / USUAL, size).clamp(bounds.0.max(1), bounds.1.max(1));
        one.by = By::Cpu { count, least, most };
        let one = *one;
        // Each instance more costs something that is not CPU.
        Some(one.total(busy(curve, &path, objective_s)) * (1.0 + 0.005 * f64::from(count)))
    };
    let fit = SIZES
        .iter()
        .filter(|size| **size <= most * 0.6)
        .filter_map(|size| Some((cost(*size)?, *size)));
    fit.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, size)| size)
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

/// CPU of each instance for a total, rounded up to what can be asked for.
#[must_use]
pub fn each(total: f64, instances: u32, least: f64, most: f64) -> f64 {
    let each = total / f64::from(instances.max(1));
    ((each / PIECE - 1e-6).ceil() * PIECE).clamp(least.min(most), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(high: f64, count: u32) -> [Sized; 1] {
        [Sized {
            visits: 1.0,
            work_s: 0.02,
            high,
            expected: high * 0.9,
            by: By::Cpu {
                count,
                least: 0.1,
                most: 4.0,
            },
        }]
    }

    #[test]
    fn a_tighter_objective_leaves_more_idle() {
        let curve = Curve::default();
        let at = |objective_s| busy(&curve, &path(8.0, 10), objective_s);
        assert!(at(0.15) < at(0.3) && at(0.3) < at(1.0));
        assert!((at(100.0) - BUSIEST).abs() < 1e-9);
        assert!(
            (at(0.001) - LEAST_BUSY).abs() < 1e-3,
            "an objective that cannot be kept asks for no madness"
        );
    }

    #[test]
    fn an_instance_less_is_survived() {
        let [two] = path(1.0, 2);
        assert!(
            two.total(0.9) / 2.0 >= 0.9,
            "one of two bears the expected demand"
        );
        let [many] = path(1.0, 10);
        assert!(
            (many.total(0.9) - 1.0 / 0.9).abs() < 0.05,
            "of many, one is not missed"
        );
    }

    #[test]
    fn instances_are_neither_crumbs_nor_giants() {
        let size = |high| instance(&Curve::default(), &path(high, 4), 0, 0.3, (2, 100)).unwrap();
        assert!(
            size(0.5) <= 1.0 && size(30.0) >= 1.0,
            "{} {}",
            size(0.5),
            size(30.0)
        );
    }

    #[test]
    fn cpu_comes_in_pieces_and_within_bounds() {
        assert!((each(4.01, 4, 0.25, 4.0) - 1.05).abs() < 1e-9);
        assert!((each(0.1, 4, 0.25, 4.0) - 0.25).abs() < 1e-9);
        assert!((each(100.0, 4, 0.25, 4.0) - 4.0).abs() < 1e-9);
        assert_eq!((count(4.01, 1.0), count(0.0, 1.0)), (5, 1));
    }
}
