//! Which cases flipped between two reports.

use std::{collections::BTreeMap, process::ExitCode};

use crate::{args::CompareArgs, figures, report::Report};

/// Compares two reports.
pub fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let (before, after) = (Report::read(&args.before)?, Report::read(&args.after)?);
    let flips = flips(&before, &after);
    println!("{}", in_words(&flips));
    for line in moved(&before, &after) {
        println!("{line}");
    }
    Ok(code(&flips))
}

/// What differs between two reports, by `suite case`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// Passed before and fails now.
    pub worse: Vec<String>,
    /// Failed before and passes now.
    pub better: Vec<String>,
    /// Only in the second report, and fails.
    pub new_failures: Vec<String>,
    /// Only in the first report.
    pub gone: Vec<String>,
}

/// What differs.
pub fn flips(before: &Report, after: &Report) -> Flips {
    let mut flips = Flips::default();
    let (was, is) = (before.cases(), after.cases());
    for (&(suite, case), &passed) in &is {
        let name = format!("{suite} {case}");
        match (was.get(&(suite, case)), passed) {
            (Some(true), false) => flips.worse.push(name),
            (Some(false), true) => flips.better.push(name),
            (None, false) => flips.new_failures.push(name),
            _ => {}
        }
    }
    let gone = was.keys().filter(|key| !is.contains_key(*key));
    flips.gone = gone
        .map(|(suite, case)| format!("{suite} {case}"))
        .collect();
    flips
}

/// Figures that are not what they were.
fn moved(before: &Report, after: &Report) -> Vec<String> {
    let was: BTreeMap<String, String> = figures::of(before).into_iter().collect();
    let is = figures::of(after).into_iter();
    let differs = is.filter_map(|(name, value)| {
        let old = was.get(&name).map_or("-", String::as_str);
        (old != value).then(|| format!("{:<36}{old} -> {value}", name.trim()))
    });
    differs.collect()
}

/// 1 when something got worse.
pub fn code(flips: &Flips) -> ExitCode {
    ExitCode::from(u8::from(!flips.worse.is_empty()))
}

/// For people.
pub fn in_words(flips: &Flips) -> String {
    let mut lines = Vec::new();
    for (word, cases) in [
        ("worse  ", &flips.worse),
        ("better ", &flips.better),
        ("new, fails ", &flips.new_failures),
        ("gone   ", &flips.gone),
    ] {
        lines.extend(cases.iter().map(|case| format!("{word} {case}")));
    }
    lines.push(format!(
        "{} worse, {} better, {} new failures, {} gone",
        flips.worse.len(),
        flips.better.len(),
        flips.new_failures.len(),
        flips.gone.len()
    ));
    lines.join("\n")
}
