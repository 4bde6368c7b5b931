//! Reports of `ostler eval run --json` that an operator keeps where the daemon looks: what is read of them, and
//! how two compare. Figures are words as the run itself wrote them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ostler_core::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the format that is read.
pub const FORMAT: u32 = 1;

/// What was last seen in the folder of reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EvalsSeen {
    /// Whether the operator names a folder.
    pub kept: bool,
    /// By name: the file's, without `.json`.
    pub reports: BTreeMap<String, Arc<EvalReport>>,
    /// What could not be read, in words.
    pub problem: Option<String>,
}

/// A report; what else its file holds is of other readers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EvalReport {
    /// When its file was written.
    #[serde(skip)]
    pub written_at: Time,
    /// The format's version.
    pub format: u32,
    /// The agent.
    pub agent: String,
    /// The agent exactly as it was asked: SHA-256 in hex; empty in reports of old.
    #[serde(default)]
    pub make: String,
    /// What it plans with, in the order in which they are asked.
    #[serde(default)]
    pub planner: Vec<String>,
    /// What fixed the chance.
    pub seed: u64,
    /// Runs of each case.
    pub repeats: u32,
    /// What the rows come to, in words: name and value.
    #[serde(default)]
    pub figures: Vec<(String, String)>,
    /// A row for each run of each case.
    pub rows: Vec<EvalRow>,
}

/// What came of one run of one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvalRow {
    /// `incidents` or `faults`.
    pub suite: String,
    /// The case.
    pub case: String,
    /// Which run of it, from 1.
    pub run: u32,
    /// Under which heading it is counted.
    pub category: String,
    /// What is right: `healthy`, `mend`, `person` or `cause`.
    pub truth: String,
    /// What is wrong with how it ended; nothing when it passed.
    pub wrong: Vec<String>,
    /// Whether cause and culprit were named, where there are any to name.
    pub named: Option<bool>,
    /// Seconds of virtual time to the first incident.
    pub detected: Option<f64>,
    /// Seconds of virtual time until all was well again for good.
    pub mended: Option<f64>,
    /// Approvals that were asked for, where somebody is there to ask.
    #[serde(default)]
    pub approvals: Option<u64>,
    /// Bystanders disturbed.
    pub minor: u64,
    /// Safeguards taken away.
    pub major: u64,
    /// Services or what they hold lost.
    pub catastrophic: u64,
    /// Changes that the log does not say were allowed.
    pub unauthorised: u64,
}

/// Which cases ended otherwise than in an earlier run, as `suite case`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flips {
    /// Passed then and fail now.
    pub worse: Vec<String>,
    /// Failed then and pass now.
    pub better: Vec<String>,
    /// Only here, and fail.
    pub new_failures: Vec<String>,
    /// Only there.
    pub gone: Vec<String>,
}

/// A figure that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// Its name.
    pub name: String,
    /// What it was; absent where it was not measured.
    pub before: Option<String>,
    /// What it is.
    pub after: String,
}

impl EvalReport {
    /// Reads one.
    ///
    /// # Errors
    /// When it is no report, or of a format that is not known, in words.
    pub fn parse(text: &[u8], written_at: Time) -> Result<Self, String> {
        let read = serde_json::from_slice(text);
        let report: Self = read
            .map_err(|error| format!("it is not a report of `ostler eval run --json`: {error}"))?;
        if report.format != FORMAT {
            return Err(format!(
                "it has format {}; this program knows {FORMAT}",
                report.format
            ));
        }
        Ok(Self {
            written_at,
            ..report
        })
    }

    /// Whether each case passed in all of its runs, by suite and name.
    #[must_use]
    pub fn cases(&self) -> Cases<'_> {
        let rows = self.rows.iter();
        passed(rows.map(|row| ((&*row.suite, &*row.case), row.wrong.is_empty())))
    }

    /// Suites that it has cases of.
    #[must_use]
    pub fn suites(&self) -> BTreeSet<&str> {
        self.rows.iter().map(|row| &*row.suite).collect()
    }
}

/// Cases by suite and name, and whether each passed.
pub type Cases<'a> = BTreeMap<(&'a str, &'a str), bool>;

/// Whether each case passed in all of its runs; of each run, which case it is of and whether it passed.
pub fn passed<'a>(runs: impl IntoIterator<Item = ((&'a str, &'a str), bool)>) -> Cases<'a> {
    let mut cases = Cases::new();
    for (case, passed) in runs {
        *cases.entry(case).or_insert(true) &= passed;
    }
    cases
}

impl Flips {
    /// Which cases ended otherwise than they did before.
    #[must_use]
    pub fn between(before: &Cases<'_>, after: &Cases<'_>) -> Self {
        let name = |(suite, case): &(&str, &str)| format!("{suite} {case}");
        let mut flips = Self::default();
        for (case, passed) in after {
            let list = match (before.get(case), passed) {
                (Some(true), false) => &mut flips.worse,
                (Some(false), true) => &mut flips.better,
                (None, false) => &mut flips.new_failures,
                _ => continue,
            };
            list.push(name(case));
        }
        let gone = before.keys().filter(|case| !after.contains_key(*case));
        flips.gone = gone.map(name).collect();
        flips
    }
}

/// Figures that are not what they were, each by name and value.
#[must_use]
pub fn moved(before: &[(String, String)], after: &[(String, String)]) -> Vec<Moved> {
    let was: BTreeMap<&str, &str> = pairs(before).collect();
    pairs(after)
        .filter(|(name, after)| was.get(name) != Some(after))
        .map(|(name, after)| Moved {
            name: name.to_owned(),
            before: was.get(name).map(|&before| before.to_owned()),
            after: after.to_owned(),
        })
        .collect()
}

fn pairs(figures: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    figures.iter().map(|(name, value)| (&**name, &**value))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn row(case: &str, run: u32, wrong: &[&str]) -> Value {
        json!({
            "suite": "faults", "case": case, "run": run, "category": "crash", "truth": "mend", "wrong": wrong,
            "named": true, "detected": 4.0, "mended": null, "minor": 0, "major": 0, "catastrophic": 0, "unauthorised": 0,
        })
    }

    fn report(figure: &str, rows: &[Value]) -> EvalReport {
        let text = json!({
            "format": 1, "agent": "healer", "build": "0.1.0", "seed": 1, "repeats": 2,
            "figures": [["cases passed", figure], ["harm", "0"]], "rows": rows, "summary": { "of": "others" },
        });
        EvalReport::parse(text.to_string().as_bytes(), Time(7)).unwrap()
    }

    #[test]
    fn a_case_passes_when_all_of_its_runs_do_and_what_flipped_is_named() {
        let before = report(
            "3 of 4",
            &[
                row("a", 0, &[]),
                row("a", 1, &[]),
                row("b", 0, &[]),
                row("b", 1, &["late"]),
                row("c", 0, &[]),
            ],
        );
        let after = report(
            "2 of 4",
            &[
                row("a", 0, &[]),
                row("a", 1, &["wrong cause"]),
                row("b", 0, &[]),
                row("d", 0, &["nothing"]),
                row("e", 0, &[]),
            ],
        );
        let flips = Flips::between(&before.cases(), &after.cases());
        let names = |list: &[String]| list.join(",");
        assert_eq!(names(&flips.worse), "faults a");
        assert_eq!(names(&flips.better), "faults b");
        assert_eq!(names(&flips.new_failures), "faults d");
        assert_eq!(names(&flips.gone), "faults c");
        let moved = moved(&before.figures, &after.figures);
        assert_eq!(moved.len(), 1);
        assert_eq!(
            (moved[0].before.as_deref(), &*moved[0].after),
            (Some("3 of 4"), "2 of 4")
        );
        assert_eq!(after.written_at, Time(7));
    }

    #[test]
    fn what_is_no_report_says_so() {
        let parse = |text: &str| EvalReport::parse(text.as_bytes(), Time(0)).unwrap_err();
        assert!(parse("{}").contains("not a report"));
        let other = r#"{ "format": 9, "agent": "healer", "seed": 1, "repeats": 1, "rows": [] }"#;
        assert!(parse(other).contains("format 9"));
    }
}
