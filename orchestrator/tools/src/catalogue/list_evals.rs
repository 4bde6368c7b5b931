//! `list_evals`: kept reports of eval runs.

use std::cmp::Reverse;

use crate::{
    answer::{EvalRun, Evals},
    contract::{About, Class, Decided, Describe, Refusal},
    evals::EvalReport,
    view::View,
};

use super::lookup::{Nothing, answer};

/// See the module.
pub struct ListEvals;

impl Describe for ListEvals {
    type Args = Nothing;
    type Answer = Evals;
    const NAME: &'static str = "list_evals";
    const TITLE: &'static str = "Eval runs";
    const DESCRIPTION: &'static str = "Lists the reports of eval runs (`ostler eval run --json`) in the folder that the \
        configuration names: which agent, exactly as it was asked, with what it plans, over which \
        suites, how many cases passed, and whether that agent is what runs now.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        let seen = &view.world.evals;
        let mut runs: Vec<EvalRun> = seen
            .reports
            .iter()
            .map(|(name, report)| run(view, name, report))
            .collect();
        runs.sort_by_key(|run| Reverse(run.written_at));
        let evals = Evals {
            kept: seen.kept,
            runs,
            problem: seen.problem.clone(),
        };
        answer(&evals, About::fleet())
    }
}

/// A report at a glance.
pub(super) fn run(view: &View<'_>, name: &str, report: &EvalReport) -> EvalRun {
    let cases = report.cases();
    let passed = cases.values().filter(|passed| **passed).count();
    let makes = view
        .world
        .agents
        .values()
        .filter_map(|status| status.make.as_ref());
    let mut makes = makes.filter(|make| make.agent.as_str() == report.agent);
    EvalRun {
        name: name.to_owned(),
        written_at: report.written_at,
        agent: report.agent.clone(),
        make: report.make.clone(),
        runs_now: makes.any(|make| make.digest() == report.make),
        planner: report.planner.clone(),
        seed: report.seed,
        repeats: report.repeats,
        suites: report.suites().into_iter().map(str::to_owned).collect(),
        cases: count(cases.len()),
        passed: count(passed),
    }
}

pub(super) fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}
