//! Shares with their uncertainty, and medians.

use serde::{Deserialize, Serialize};

/// Two-sided 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub part: u32,
    /// Of how many.
    pub whole: u32,
    /// Lower end of the 95 % confidence interval (Wilson score).
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// The share of those that fulfil it.
    pub fn of<T>(all: impl IntoIterator<Item = T>, fulfils: impl Fn(T) -> bool) -> Self {
        let (mut part, mut whole) = (0, 0);
        for one in all {
            whole += 1;
            part += u32::from(fulfils(one));
        }
        Self::new(part, whole)
    }

    /// So many of so many.
    pub fn new(part: u32, whole: u32) -> Self {
        let (low, high) = wilson(f64::from(part), f64::from(whole));
        Self {
            part,
            whole,
            low,
            high,
        }
    }
}

/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
fn wilson(part: f64, whole: f64) -> (f64, f64) {
    if whole == 0.0 {
        return (0.0, 1.0);
    }
    let share = part / whole;
    let z2 = Z * Z;
    let centre = share + z2 / (2.0 * whole);
    let spread = Z * (share * (1.0 - share) / whole + z2 / (4.0 * whole * whole)).sqrt();
    let by = 1.0 + z2 / whole;
    (
        ((centre - spread) / by).max(0.0),
        ((centre + spread) / by).min(1.0),
    )
}

/// The middle of all values; the lower of two.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    at(values, 50)
}

/// A median with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Middle {
    /// The median.
    pub value: f64,
    /// Lower end of its 95 % interval, where there are enough values for one.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl Middle {
    /// The median of these, between the order statistics that hold it in 95 % of samples whatever
    /// the distribution (the sign test's interval); none for less than six values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut all: Vec<f64> = values.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let beyond = beyond(all.len());
        Some(Self {
            value: median(all.iter().copied())?,
            low: beyond.and_then(|beyond| all.get(beyond).copied()),
            high: beyond.and_then(|beyond| all.iter().rev().nth(beyond).copied()),
        })
    }
}

/// How many of so many values lie on each side of the interval of their median.
fn beyond(count: usize) -> Option<usize> {
    let whole = u32::try_from(count).ok()?;
    // In logarithms: halves of large powers are nothing.
    let mut chance = f64::from(whole) * 0.5_f64.ln();
    let mut below = 0.0;
    for (place, k) in (0..whole).enumerate() {
        below += chance.exp();
        if below > 0.025 {
            return place.checked_sub(1);
        }
        chance += (f64::from(whole - k) / f64::from(k + 1)).ln();
    }
    None
}

/// The smallest value that so many percent of all do not exceed.
pub fn at(values: impl IntoIterator<Item = f64>, percent: usize) -> Option<f64> {
    let mut all: Vec<f64> = values.into_iter().collect();
    all.sort_by(f64::total_cmp);
    let place = (all.len() * percent).div_ceil(100);
    all.get(place.checked_sub(1)?).copied()
}

/// How probable it is that so many runs, drawn without replacement from a case's, all pass: an
/// unbiased estimate of pass^k (Yao and others, "τ-bench", 2024). Nothing where there are fewer runs.
pub fn passes_all_of(runs: u32, passed: u32, all: u32) -> Option<f64> {
    if runs > all {
        return None;
    }
    let one = |drawn: u32| {
        f64::from(passed.saturating_sub(drawn)) / f64::from(all.saturating_sub(drawn).max(1))
    };
    Some((0..runs).map(one).product())
}

/// The mean of shares, with a 95 % interval that is Wilson's for as many whole ones: none of them
/// scatters more than a yes or no of the same mean, so it is rather too wide.
pub fn mean_of_shares(shares: impl Iterator<Item = f64>) -> Option<(f64, f64, f64)> {
    let (sum, whole) = shares.fold((0.0, 0_u32), |(sum, whole), share| (sum + share, whole + 1));
    if whole == 0 {
        return None;
    }
    let (low, high) = wilson(sum, f64::from(whole));
    Some((sum / f64::from(whole), low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_as_published() {
        // Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
        let share = Share::new(81, 263);
        assert!((share.low - 0.2553).abs() < 1e-4 && (share.high - 0.3662).abs() < 1e-4);
        let none = Share::new(0, 20);
        assert!(none.low.abs() < 1e-9 && (none.high - 0.1611).abs() < 1e-4);
        assert_eq!(Share::of([true, false], |one| one).part, 1);
    }

    #[test]
    fn the_median_of_nothing_is_nothing() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([2.0, 1.0]), Some(1.0));
        assert_eq!(at((1..=20).map(f64::from), 90), Some(18.0));
    }

    #[test]
    fn a_median_lies_between_order_statistics() {
        // Binomial, sixteen halves: three or fewer 0.0106, four or fewer 0.0384.
        let middle = Middle::of((1..=16).map(f64::from)).unwrap();
        let (low, high) = (middle.low, middle.high);
        assert_eq!((middle.value, low, high), (8.0, Some(4.0), Some(13.0)));
        assert_eq!(Middle::of((1..=6).map(f64::from)).unwrap().low, Some(1.0));
        assert_eq!(Middle::of((1..=5).map(f64::from)).unwrap().low, None);
        let many = Middle::of((1..=4_000).map(f64::from)).unwrap();
        assert!(
            many.low > Some(1_900.0) && many.high < Some(2_100.0),
            "{many:?}"
        );
        assert_eq!(Middle::of([]), None);
    }

    #[test]
    fn runs_that_all_pass_are_counted_without_replacement() {
        let close = |is: Option<f64>, right: f64| (is.unwrap() - right).abs() < 1e-12;
        assert!(close(passes_all_of(1, 3, 4), 0.75));
        assert!(close(passes_all_of(2, 3, 4), 0.5), "3 of the 6 pairs");
        assert!(close(passes_all_of(4, 3, 4), 0.0) && close(passes_all_of(4, 4, 4), 1.0));
        assert_eq!(passes_all_of(5, 4, 4), None);
        let (mean, low, high) = mean_of_shares([0.5, 1.0].into_iter()).unwrap();
        assert!((mean - 0.75).abs() < 1e-12 && low < mean && mean < high);
    }
}
