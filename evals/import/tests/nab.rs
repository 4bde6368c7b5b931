//! The Numenta Anomaly Benchmark: our count agrees with the published one, and what the scorer earns.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::folder;
use ostler_evals_import::nab::score::{Outcome, STANDARD, outcome};
use ostler_evals_import::nab::{self, Series};

/// A published row: threshold, score, and points above it within windows and outside.
fn published(folder: &Path, detector: &str) -> BTreeMap<String, (f64, f64, usize, usize)> {
    let path = folder.join(format!("results/{detector}/{detector}_standard_scores.csv"));
    let mut rows = BTreeMap::new();
    for record in csv::Reader::from_path(path)
        .expect("published scores")
        .records()
    {
        let record = record.expect("a row");
        let number = |i: usize| record[i].parse::<f64>().unwrap_or_default();
        rows.insert(
            record[2].to_owned(),
            (number(3), number(4), number(5) as usize, number(7) as usize),
        );
    }
    rows
}

/// The windowed Gaussian's window, and how many points it waits before it moves on once full.
const WINDOW: usize = 6_400;
const STEP: usize = 100;

/// How many standard deviations each point lies off the mean of the window before it.
fn off_the_mean(series: &Series) -> Vec<f64> {
    let values: Vec<f64> = series.points.iter().map(|point| point.1).collect();
    let off = |place: usize| {
        let moved = place.saturating_sub(WINDOW) / STEP * STEP;
        let before = &values[moved..place.min(moved + WINDOW)];
        let count = before.len() as f64;
        let mean = before.iter().sum::<f64>() / count;
        let variance = before
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / count;
        let deviation = if variance == 0.0 {
            1e-6
        } else {
            variance.sqrt()
        };
        if before.is_empty() {
            0.0
        } else {
            (values[place] - mean).abs() / deviation
        }
    };
    (0..values.len()).map(off).collect()
}

/// From so many standard deviations on, one less the normal tail is written as one in the twelve
/// digits that published scores keep, and one is the
/// published threshold of the windowed Gaussian.
const ROUNDED_TO_ONE: f64 = 7.130_438_466;

#[test]
fn our_count_agrees_with_the_published_one() {
    let Some(folder) = folder("nab") else { return };
    let corpus = nab::read(&folder).expect("the set is readable");
    let (silent, gaussian) = (
        published(&folder, "null"),
        published(&folder, "windowedGaussian"),
    );
    let mut agreed = 0;
    for series in &corpus {
        let none = outcome(series, &vec![0.0; series.points.len()], 0.5, &STANDARD);
        assert!(
            (none.score - silent[&series.name].1).abs() < 1e-9,
            "{}: {none:?}",
            series.name
        );
        let (_, score, hits, alarms) = gaussian[&series.name];
        let ours: Outcome = outcome(series, &off_the_mean(series), ROUNDED_TO_ONE, &STANDARD);
        let same = (ours.score - score).abs() < 1e-6
            && (ours.true_points, ours.false_points) == (hits, alarms);
        agreed += usize::from(same);
        if !same {
            println!(
                "  differs {}: {ours:?}, published {score} {hits} {alarms}",
                series.name
            );
        }
    }
    println!(
        "{agreed} of {} series agree with the published windowed Gaussian",
        corpus.len()
    );
    assert!(
        agreed * 10 >= corpus.len() * 9,
        "{agreed} of {}",
        corpus.len()
    );
}
