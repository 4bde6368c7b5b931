//! Five parts of a set, so that what was chosen on four of them can be tried on the fifth.
//!
//! A case's name alone says in which part it is: it never moves when others come or go.

use crate::{report::hash, stats::Share};

/// How many parts.
pub const FOLDS: u64 = 5;

/// Which part a case is in.
pub fn fold(name: &str) -> u64 {
    (hash(name) >> 32) % FOLDS
}

/// The share of each part's cases that were right, in percent; parts without cases are left out.
pub fn shares<'a>(cases: impl Iterator<Item = (&'a str, bool)>) -> Vec<f64> {
    let cases: Vec<(u64, bool)> = cases.map(|(name, right)| (fold(name), right)).collect();
    let of = |part: u64| {
        let of_part = cases.iter().filter(move |(fold, _)| *fold == part);
        let share = Share::of(of_part, |(_, right)| *right);
        (share.whole > 0).then(|| 100.0 * f64::from(share.part) / f64::from(share.whole))
    };
    (0..FOLDS).filter_map(of).collect()
}

/// `98.2 (±1.4, 96.0 to 100.0)`: mean, standard deviation, lowest and highest.
pub fn spread(scores: &[f64]) -> String {
    let count = f64::from(u32::try_from(scores.len()).unwrap_or(u32::MAX));
    if scores.is_empty() {
        return "-".to_owned();
    }
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / count;
    let lowest = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!(
        "{mean:.1} (±{:.1}, {lowest:.1} to {highest:.1})",
        variance.sqrt()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_gets_about_a_fifth() {
        let mut sizes = [0_usize; 5];
        for case in 0..1_000 {
            sizes[usize::try_from(fold(&format!("set/case_{case}"))).unwrap()] += 1;
        }
        assert!(
            sizes.iter().all(|size| (140..=260).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn spread_in_words() {
        assert_eq!(spread(&[90.0, 100.0]), "95.0 (±5.0, 90.0 to 100.0)");
        assert_eq!(spread(&[]), "-");
        let all_right = shares(["a", "b", "c"].into_iter().map(|name| (name, true)));
        assert!(all_right.iter().all(|share| (share - 100.0).abs() < 1e-9));
    }
}
