//! Series with labelled windows, held against the scorer of one metric: the benchmark's own score.
//!
//! The benchmark chooses one threshold for the whole corpus, with the labels in view. So the same is
//! told for thresholds that were chosen on four fifths of the series and used on the fifth.

use std::path::Path;

use ostler_diagnosis::signals::anomaly::Scorer;
use ostler_evals_import::nab::{
    self, Series,
    score::{STANDARD, best_threshold, normalised, outcome},
};

use crate::folds::{FOLDS, fold, spread};

/// A series with the strangeness of each of its points.
type Scored<'a> = (&'a Series, &'a [f64]);

/// Reads the series under a folder and says what the scorer earns.
pub fn run(folder: &Path) -> anyhow::Result<()> {
    let all = nab::read(folder)?;
    let strange: Vec<Vec<f64>> = all.iter().map(strangeness).collect();
    let both = all.iter().zip(strange.iter().map(Vec::as_slice));
    let corpus: Vec<Scored<'_>> = both.collect();
    report("infrastructure", &corpus, Series::is_infrastructure);
    report("all", &corpus, |_| true);
    Ok(())
}

fn strangeness(series: &Series) -> Vec<f64> {
    let mut scorer = Scorer::new();
    let points = series.points.iter();
    points.map(|(at, value)| scorer.next(*at, *value)).collect()
}

fn report(name: &str, corpus: &[Scored<'_>], counts: fn(&Series) -> bool) {
    let of: Vec<Scored<'_>> = part(corpus, counts);
    let whole = earned(&of, best_threshold(&of, &STANDARD));
    println!(
        "{name:<16}{:>4} series   {} of 100 (standard profile, threshold by the corpus)",
        of.len(),
        in_words(whole)
    );
    println!("  5-fold cross-check: each part with the threshold that the other four chose");
    let mut held_out = Vec::new();
    let mut scores = Vec::new();
    for number in 0..FOLDS {
        let others = part(corpus, |series| fold(&series.name) != number);
        let held = part(&of, |series| fold(&series.name) == number);
        let threshold = best_threshold(&others, &STANDARD);
        let score = earned(&held, threshold);
        println!(
            "  part {}: {:>2} series   {:>5} at {threshold:.3}",
            number + 1,
            held.len(),
            in_words(score)
        );
        scores.extend(score);
        held_out.extend(outcomes(&held, threshold));
    }
    println!(
        "  parts together {}; mean of the parts {}",
        in_words(normalised(&held_out, &STANDARD)),
        spread(&scores)
    );
}

fn part<'a>(corpus: &[Scored<'a>], which: impl Fn(&Series) -> bool) -> Vec<Scored<'a>> {
    let held = corpus.iter().filter(|(series, _)| which(series));
    held.copied().collect()
}

fn outcomes(corpus: &[Scored<'_>], threshold: f64) -> Vec<nab::score::Outcome> {
    let each = corpus.iter();
    each.map(|(series, strange)| outcome(series, strange, threshold, &STANDARD))
        .collect()
}

fn earned(corpus: &[Scored<'_>], threshold: f64) -> Option<f64> {
    normalised(&outcomes(corpus, threshold), &STANDARD)
}

fn in_words(score: Option<f64>) -> String {
    score.map_or_else(|| "-".to_owned(), |score| format!("{score:.1}"))
}
