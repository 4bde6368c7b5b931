//! A report for the terminal.

use crate::{figures, report::Report};

/// What is printed at the end of a run.
pub fn summary(report: &Report) -> String {
    let mut lines = Vec::new();
    for row in report.rows.iter().filter(|row| !row.passed()) {
        lines.push(format!(
            "FAIL  {} {} (run {})",
            row.suite, row.case, row.run
        ));
        lines.extend(row.wrong.iter().map(|wrong| format!("      {wrong}")));
    }
    let figures = figures::of(report);
    let line = |(name, value): &(String, String)| format!("{name:<36}{value}");
    lines.extend(figures.iter().map(line));
    lines.join("\n")
}
