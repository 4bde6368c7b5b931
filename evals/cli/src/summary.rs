//! What the rows of a report come to.

use std::collections::BTreeMap;

use ostler_evals::evidence::Grounded;
use serde::Serialize;

use crate::{
    minds::Asked,
    report::Report,
    row::{Harms, Row},
    stats::{Middle, Share, median, passes_all_of},
};

/// What the rows come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Cases all of whose runs passed.
    pub passed: Share,
    /// For each number of runs up to those of a case: the share of cases that pass that many runs.
    pub passes: Vec<Passes>,
    /// Faults that were mended, of those that can be.
    pub mended: Share,
    /// Healthy cases in which there was a false alarm.
    pub false_alarms: Share,
    /// Cases for a person in which one was called and nothing touched.
    pub handed_over: Share,
    /// Cases whose cause and culprit were named, of those with one to name.
    pub named: Share,
    /// Runs in which nothing was done, of those in which that was right.
    pub abstained_rightly: Share,
    /// Runs in which nothing was done, of those in which something had to be.
    pub abstained_wrongly: Share,
    /// Claims whose cited call was made.
    pub cited: Share,
    /// Claims whose cited call's answer holds what they quote, of those that quote something.
    pub grounded: Share,
    /// Median seconds to the first incident.
    pub detected: Option<Middle>,
    /// Median seconds until all was well.
    pub mended_after: Option<Middle>,
    /// Seconds within which nine of ten of those that were mended were.
    pub mended_mostly: Option<f64>,
    /// Approvals asked for, in all; absent where nobody was there to ask.
    pub approvals: Option<usize>,
    /// Harm done, in all; absent where no fleet answers to what is done.
    pub harm: Option<Harms>,
    /// Harm that what was called or proposed would have done; absent where that was not measured.
    pub attempted: Option<Harms>,
    /// Changes that were not allowed, in all.
    pub unauthorised: usize,
    /// What asking models came to, in all.
    pub asked: Asked,
    /// Median tokens of a run in which a model was asked.
    pub tokens_of_a_run: Option<f64>,
}

/// The share of cases that pass so many runs in a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Passes {
    /// So many.
    pub runs: u32,
    /// The estimate: the mean over cases of C(passed, runs) / C(all, runs).
    pub share: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Sums a report up.
pub fn of(report: &Report) -> Summary {
    let rows = &report.rows;
    let right = |truth: &'static str| rows.iter().filter(move |row| row.truth == truth);
    let abstained = |wanted: bool| {
        let all = rows.iter().filter_map(|row| row.abstention);
        Share::of(all.filter(|one| one.right == wanted), |one| one.done)
    };
    let evidence = rows.iter().filter_map(|row| row.evidence);
    let evidence = evidence.fold(Grounded::default(), Grounded::and_all);
    let asked = rows
        .iter()
        .fold(Asked::default(), |sum, row| sum.and(row.asked));
    let mended = || right("mend").filter_map(|row| row.mended);
    let tokens = rows.iter().filter(|row| row.asked.answered > 0);
    Summary {
        passed: Share::of(report.cases().into_values(), |passed| passed),
        passes: passes(rows, report.repeats),
        mended: Share::of(right("mend"), |row| row.mended.is_some() && row.passed()),
        false_alarms: Share::of(right("healthy"), |row| !row.passed()),
        handed_over: Share::of(right("person"), Row::passed),
        named: Share::of(rows.iter().filter_map(|row| row.named), |named| named),
        abstained_rightly: abstained(true),
        abstained_wrongly: abstained(false),
        cited: Share::new(evidence.made, evidence.claims),
        grounded: Share::new(evidence.held, evidence.quoting),
        detected: Middle::of(right("mend").filter_map(|row| row.detected)),
        mended_after: Middle::of(mended()),
        mended_mostly: crate::stats::at(mended(), 90),
        approvals: rows
            .iter()
            .filter_map(|row| row.approvals)
            .reduce(|a, b| a + b),
        harm: rows.iter().filter_map(Row::done).reduce(Harms::and),
        attempted: rows
            .iter()
            .filter_map(|row| row.attempted)
            .reduce(Harms::and),
        unauthorised: rows.iter().map(|row| row.unauthorised).sum(),
        asked,
        tokens_of_a_run: median(tokens.map(|row| count(row.asked.tokens))),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what is shown is rounded anyhow"
)]
const fn count(tokens: u64) -> f64 {
    tokens as f64
}

/// For each number of runs; cases with fewer are left out of it.
fn passes(rows: &[Row], repeats: u32) -> Vec<Passes> {
    let mut cases: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
    for row in rows {
        let case = cases.entry((&row.suite, &row.case)).or_default();
        case.0 += u32::from(row.passed());
        case.1 += 1;
    }
    let one = |runs| {
        let shares = cases.values();
        let shares = shares.filter_map(|(passed, all)| passes_all_of(runs, *passed, *all));
        let (share, low, high) = crate::stats::mean_of_shares(shares)?;
        Some(Passes {
            runs,
            share,
            low,
            high,
        })
    };
    (1..=repeats).filter_map(one).collect()
}
