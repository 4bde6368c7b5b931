//! Kept reports of eval runs, the newest first.

use axum::{extract::Query, response::Html};
use maud::{Markup, html};
use ostler_tools::{
    answer::{EvalRun, Evals},
    words::untrusted,
};
use serde_json::json;

use crate::{
    problem::Problem,
    ui::{
        bits::{Tone, badge, many, nothing, part, time},
        frame::Frame,
        paging::{Asked, Page},
    },
    visit::Visit,
};

pub(crate) async fn show(
    Query(asked): Query<Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let found: Evals = visit.ask("list_evals", json!({})).await?;
    let page = Page::of(found.runs.len(), asked.page);
    let frame = visit.frame("Evals", "/evals");
    let body = html! {
        h1 { "Evals" }
        @if let Some(words) = &found.problem { p { (badge(Tone::Warn, "not all is read")) " " (untrusted(words)) } }
        @if !found.kept {
            (nothing("No reports are kept. Name a folder in the configuration file, evals: { reports: DIR }, and write there with ostler eval run --json."))
        } @else if found.runs.is_empty() { (nothing("No report is in the folder yet.")) }
        ul.rows { @for run in page.cut(&found.runs) { (row(&frame, run)) } }
        (page.links("/evals", &[]))
    };
    Ok(Html(frame.page(&body).into_string()))
}

fn row(frame: &Frame, run: &EvalRun) -> Markup {
    html! {
        li.row data-row {
            div.what {
                a href=(path(run)) { (untrusted(&run.name)) }
                p.quiet { (asked(run)) " · written " (time(run.written_at, frame.now)) }
            }
            div.when { (result(run)) @if run.runs_now { " " (badge(Tone::Calm, "runs now")) } }
        }
    }
}

/// A run's page.
pub(super) fn path(run: &EvalRun) -> String {
    format!("/evals/{}", part(&run.name))
}

/// Who was asked what, in words.
pub(super) fn asked(run: &EvalRun) -> String {
    let planner = match &*run.planner {
        [] => "rules".to_owned(),
        planner => planner.join(", then "),
    };
    let words = format!(
        "{} with {planner}, {} of {}",
        run.agent,
        many(usize::try_from(run.cases).unwrap_or(usize::MAX), "case"),
        run.suites.join(" and ")
    );
    let words = untrusted(&words);
    match run.repeats {
        1 => words,
        repeats => format!("{words}, {repeats} times each"),
    }
}

/// How many cases passed.
pub(super) fn result(run: &EvalRun) -> Markup {
    let tone = if run.passed == run.cases {
        Tone::Good
    } else {
        Tone::Warn
    };
    badge(tone, &format!("{} of {} passed", run.passed, run.cases))
}
