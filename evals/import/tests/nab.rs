//! The Numenta Anomaly Benchmark: our count agrees with the published one, and what the scorer earns.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise, and prints its table"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use common::folder;
use ostler_diagnosis::signals::anomaly::{ALARM, Scorer};
use ostler_evals_import::nab::score::{Outcome, STANDARD, best_threshold, normalised, outcome};
use ostler_evals_import::nab::{self, Series};

/// A published row: threshold, score, and points above it within windows and outside.
fn published(folder: &Path, detector: &str) -> BTreeMap<String, (f64, f64, usize, usize)> {
    let path = folder.join(format!("results/{detector}/{detector}_standard_scores.csv"));
    let mut rows = BTreeMap::new();
    for record in csv::Reader::from_path(path).unwrap().records() {
        let record = record.unwrap();
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
    let corpus = nab::read(&folder).unwrap();
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

/// Our scorer's strangeness of every point, in order.
fn scored(series: &Series) -> Vec<f64> {
    let mut scorer = Scorer::new();
    series
        .points
        .iter()
        .map(|(at, value)| scorer.next(*at, *value))
        .collect()
}

/// The normalised score of some series at one threshold.
fn earned(corpus: &[(&Series, &[f64])], threshold: f64) -> Option<f64> {
    let outcomes: Vec<_> = corpus
        .iter()
        .map(|(series, anomalies)| outcome(series, anomalies, threshold, &STANDARD))
        .collect();
    normalised(&outcomes, &STANDARD)
}

/// The threshold chosen on four fifths of the series and used on the fifth, five times.
fn folds(all: &[(&Series, &[f64])]) {
    let (mut folded, mut outcomes) = (Vec::new(), Vec::new());
    for fold in 0..5 {
        let (held, kept): (Vec<_>, Vec<_>) = all
            .iter()
            .copied()
            .enumerate()
            .partition(|(i, _)| i % 5 == fold);
        let kept: Vec<_> = kept.into_iter().map(|(_, one)| one).collect();
        let threshold = best_threshold(&kept, &STANDARD);
        for (_, (series, anomalies)) in held {
            let one = outcome(series, anomalies, threshold, &STANDARD);
            folded.push(one);
            outcomes.extend(series.is_infrastructure().then_some(one));
        }
    }
    let [all_folds, server_folds] =
        [&folded, &outcomes].map(|o| normalised(o, &STANDARD).unwrap_or_default());
    println!(
        "5 folds, the threshold from the other four: all {all_folds:.1}, infrastructure {server_folds:.1}"
    );
}

#[test]
fn the_scorer_earns_its_floor() {
    let Some(folder) = folder("nab") else { return };
    let corpus = nab::read(&folder).unwrap();
    let start = Instant::now();
    let anomalies: Vec<Vec<f64>> = corpus.iter().map(scored).collect();
    let points: usize = anomalies.iter().map(Vec::len).sum();
    let each = start.elapsed() / u32::try_from(points).unwrap();
    let all: Vec<(&Series, &[f64])> = corpus
        .iter()
        .zip(anomalies.iter().map(Vec::as_slice))
        .collect();
    let infrastructure: Vec<_> = all
        .iter()
        .copied()
        .filter(|(series, _)| series.is_infrastructure())
        .collect();
    let threshold = best_threshold(&all, &STANDARD);
    println!("series                                                  windows  score  false");
    for (series, anomalies) in &all {
        let Outcome {
            score,
            windows,
            false_points,
            ..
        } = outcome(series, anomalies, threshold, &STANDARD);
        println!(
            "{:55} {windows:7}  {score:5.2}  {false_points:5}",
            series.name
        );
    }
    let show = |what: &str, chosen: &[(&Series, &[f64])], threshold: f64| {
        let score = earned(chosen, threshold).unwrap_or_default();
        println!("{what:50} {score:5.1} at {threshold:.3}");
        score
    };
    let whole = show("all series", &all, threshold);
    let servers = show(
        "infrastructure, the corpus's threshold",
        &infrastructure,
        threshold,
    );
    show(
        "infrastructure, a threshold of its own",
        &infrastructure,
        best_threshold(&infrastructure, &STANDARD),
    );
    show(
        "infrastructure, the scorer's own alarm",
        &infrastructure,
        ALARM,
    );
    folds(&all);
    println!("{each:?} a point");
    assert!(
        whole >= 78.0 && servers >= 70.0,
        "all {whole}, infrastructure {servers}"
    );
}
