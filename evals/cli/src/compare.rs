//! Which cases flipped between two reports.

use std::process::ExitCode;

use ostler_tools::evals::{self, Flips, Moved};

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

/// What differs.
pub fn flips(before: &Report, after: &Report) -> Flips {
    Flips::between(&before.cases(), &after.cases())
}

/// Figures that are not what they were.
fn moved(before: &Report, after: &Report) -> Vec<String> {
    let all = evals::moved(&figures::of(before), &figures::of(after));
    let line = |moved: Moved| {
        let old = moved.before.as_deref().unwrap_or("-");
        format!("{:<36}{old} -> {}", moved.name.trim(), moved.after)
    };
    all.into_iter().map(line).collect()
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
