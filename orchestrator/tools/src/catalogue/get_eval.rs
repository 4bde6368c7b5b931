//! `get_eval`: one kept report of an eval run, and how it differs from another.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::{EvalComparison, EvalDetail, Figure},
    contract::{About, Class, Decided, Describe, Refusal},
    evals::{EvalReport, EvalRow, Flips, moved},
    view::View,
};

use super::{
    list_evals::{count, run},
    lookup::{answer, names},
};

/// Rows of one answer where no limit is given, and at most.
const ROWS: usize = 200;
const ROWS_LIMIT: u32 = 2_000;

/// See the module.
pub struct GetEval;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The report's name, as `list_evals` gives it.
    pub run: String,
    /// Another report: say which cases ended otherwise than in it, and which figures moved.
    pub against: Option<String>,
    /// Only rows of this case.
    pub case: Option<String>,
    /// Only rows that did not pass.
    #[serde(default)]
    pub failed: bool,
    /// Rows to give, 2000 at most; 200 when absent.
    pub limit: Option<u32>,
}

impl Describe for GetEval {
    type Args = Args;
    type Answer = EvalDetail;
    const NAME: &'static str = "get_eval";
    const TITLE: &'static str = "One eval run";
    const DESCRIPTION: &'static str = "Shows a kept report of an eval run: what it came to in figures, a row for each run of each \
        case (what is wrong with how it ended, time to an incident and until mended, harm), and \
        with `against` which cases ended otherwise than in another report and which figures moved.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let limit = match args.limit {
            None => ROWS,
            Some(limit @ 1..=ROWS_LIMIT) => usize::try_from(limit).unwrap_or(ROWS),
            Some(limit) => {
                let problem = format!("`limit` is {limit}; give 1 to {ROWS_LIMIT}");
                return Err(Refusal::new(problem));
            }
        };
        let report = find(view, &args.run)?;
        let against = match &args.against {
            Some(name) => {
                let before = find(view, name)?;
                Some(EvalComparison {
                    run: run(view, name, before),
                    flips: Flips::between(&before.cases(), &report.cases()),
                    moved: moved(&before.figures, &report.figures),
                })
            }
            None => None,
        };
        let asked = |row: &&EvalRow| {
            (!args.failed || !row.wrong.is_empty())
                && args.case.as_ref().is_none_or(|case| row.case == *case)
        };
        let mut rows: Vec<EvalRow> = report.rows.iter().filter(asked).cloned().collect();
        let left_out = count(rows.len().saturating_sub(limit));
        rows.truncate(limit);
        let figure = |(name, value): &(String, String)| Figure {
            name: name.clone(),
            value: value.clone(),
        };
        let detail = EvalDetail {
            run: run(view, &args.run, report),
            figures: report.figures.iter().map(figure).collect(),
            against,
            rows,
            left_out,
        };
        answer(&detail, About::fleet())
    }
}

fn find<'v>(view: &'v View<'_>, name: &str) -> Result<&'v EvalReport, Refusal> {
    let seen = &view.world.evals;
    if let Some(report) = seen.reports.get(name) {
        return Ok(report);
    }
    let shown: String = name.chars().take(80).collect();
    Err(Refusal::new(if seen.kept {
        let known = names(seen.reports.keys());
        format!("there is no report `{shown}`; reports are: {known}")
    } else {
        "no reports are kept: name a folder in the configuration file, `evals: { reports: DIR }`"
            .to_owned()
    }))
}
