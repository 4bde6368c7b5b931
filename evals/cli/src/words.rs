//! A report for the terminal.

use crate::{
    folds,
    report::{Report, Row, UNCONFIRMED, mechanism},
    stats::Share,
};

/// What is printed at the end of a run.
pub fn summary(report: &Report) -> String {
    let sum = report.summary();
    let mut lines = Vec::new();
    for row in report.rows.iter().filter(|row| !row.passed()) {
        lines.push(format!(
            "FAIL  {} {} (run {})",
            row.suite, row.case, row.run
        ));
        lines.extend(row.wrong.iter().map(|wrong| format!("      {wrong}")));
    }
    let seconds =
        |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0} s"));
    let mut line = |name: &str, value: String| lines.push(format!("{name:<34}{value}"));
    line("cases passed in all their runs", share(sum.passed));
    line("faults mended", share(sum.mended));
    line("false alarms on healthy cases", share(sum.false_alarms));
    line("handed over to a person", share(sum.handed_over));
    line("cause and culprit named", share(sum.named));
    line("median time to an incident", seconds(sum.detected));
    line("median time until mended", seconds(sum.mended_after));
    line("approvals asked for", sum.approvals.to_string());
    let (minor, major, catastrophic) = sum.harms;
    line(
        "harm",
        format!("{minor} minor, {major} major, {catastrophic} catastrophic"),
    );
    line("changes not allowed", sum.unauthorised.to_string());
    let unconfirmed = |row: &&Row| row.category == UNCONFIRMED;
    let unconfirmed = report.rows.iter().filter(unconfirmed).count();
    if unconfirmed > 0 {
        line("judged by an agent's word alone", unconfirmed.to_string());
    }
    let cases = report.cases();
    let passed = cases
        .iter()
        .map(|((_, case), passed)| (mechanism(case), *passed));
    line("5-fold cross-check", fitted_nothing(passed));
    lines.join("\n")
}

/// For what has nothing that is fitted by a program: how much its parts differ.
pub fn fitted_nothing<'a>(cases: impl Iterator<Item = (&'a str, bool)>) -> String {
    format!(
        "nothing is fitted; right in each fifth: {} %",
        folds::spread(&folds::shares(cases))
    )
}

/// `12 of 13, 92 % (67–99)`.
pub fn share(share: Share) -> String {
    if share.whole == 0 {
        return "none to count".to_owned();
    }
    let percent = |value: f64| (value * 100.0).round();
    format!(
        "{} of {}, {} % (95 %: {}–{})",
        share.part,
        share.whole,
        percent(f64::from(share.part) / f64::from(share.whole)),
        percent(share.low),
        percent(share.high)
    )
}
