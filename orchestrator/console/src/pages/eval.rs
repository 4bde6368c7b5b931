//! One kept report of an eval run: its figures, how it differs from another, its cases one by one.

use axum::{
    extract::{Path, Query},
    response::Html,
};
use maud::{Markup, html};
use ostler_tools::{
    answer::{EvalComparison, EvalDetail, EvalRun, Evals},
    evals::EvalRow,
    words::untrusted,
};
use serde::Deserialize;
use serde_json::json;

use super::evals::{asked, path, result};
use crate::{
    problem::Problem,
    ui::{
        bits::{Tone, badge, fact, nothing, part, time},
        frame::Frame,
        paging::Page,
    },
    visit::{Visit, given},
};

/// Rows that are read; pages are cut from them.
const ROWS: u32 = 2_000;

/// What an address asks of a run.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// Another run to compare it with.
    #[serde(default)]
    against: String,
    /// One case alone.
    #[serde(default)]
    case: String,
    /// Whether only rows that did not pass are shown.
    #[serde(default)]
    failed: String,
    page: Option<usize>,
}

pub(crate) async fn show(
    Path(name): Path<String>,
    Query(wanted): Query<Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let arguments = json!({
        "run": name, "against": given(&wanted.against), "case": given(&wanted.case),
        "failed": !wanted.failed.is_empty(), "limit": ROWS,
    });
    let (found, all) = tokio::try_join!(
        visit.ask::<EvalDetail>("get_eval", arguments),
        visit.ask::<Evals>("list_evals", json!({})),
    )?;
    let frame = visit.frame("Eval run", &path(&found.run));
    let body = html! {
        p.crumbs { a href="/evals" { "Evals" } }
        h1 { (untrusted(&found.run.name)) }
        div.head { (result(&found.run)) @if found.run.runs_now { (badge(Tone::Calm, "runs now")) } }
        p.quiet { (asked(&found.run)) " · written " (time(found.run.written_at, frame.now)) }
        div.columns {
            section { h2 { "What it came to" } (figures(&found)) }
            section { h2 { "Compare" } (compare(&frame, &found, &all.runs)) }
        }
        section { h2 { @if wanted.case.is_empty() { "Cases" } @else { "Case " (untrusted(&wanted.case)) } } (rows(&found, &wanted)) }
    };
    Ok(Html(frame.page(&body).into_string()))
}

fn figures(found: &EvalDetail) -> Markup {
    let run = &found.run;
    let make: String = run.make.chars().take(16).collect();
    html! {
        @if found.figures.is_empty() { (nothing("The report holds no figures: it was written by an older program.")) }
        dl.facts {
            @for figure in &found.figures { (fact(&untrusted(&figure.name), &html! { (untrusted(&figure.value)) })) }
            (fact("Seed", &html! { (run.seed) }))
            @if !make.is_empty() { (fact("Agent exactly", &html! { code { (untrusted(&make)) } })) }
        }
    }
}

fn compare(frame: &Frame, found: &EvalDetail, all: &[EvalRun]) -> Markup {
    let own = &found.run.name;
    let chosen = found.against.as_ref().map(|against| &against.run.name);
    let others: Vec<&EvalRun> = all.iter().filter(|run| run.name != *own).collect();
    html! {
        @if others.is_empty() { p.quiet { "There is no other report to compare it with." } }
        @else {
            form method="get" action=(path(&found.run)) {
                label { "With an earlier run " select name="against" {
                    @for run in others { option value=(run.name) selected[Some(&run.name) == chosen] { (untrusted(&run.name)) } }
                } }
                " " button type="submit" { "Compare" }
            }
        }
        @if let Some(against) = &found.against { (differences(frame, &found.run, against)) }
    }
}

fn differences(frame: &Frame, run: &EvalRun, against: &EvalComparison) -> Markup {
    let flips = &against.flips;
    let none = flips.worse.is_empty() && flips.better.is_empty() && flips.new_failures.is_empty();
    html! {
        p { "Since " a href=(path(&against.run)) { (untrusted(&against.run.name)) } ", written " (time(against.run.written_at, frame.now)) ":" }
        @if none { p { (badge(Tone::Good, "no case flipped")) } }
        (flipped(run, Tone::Bad, "worse", &flips.worse))
        (flipped(run, Tone::Good, "better", &flips.better))
        (flipped(run, Tone::Warn, "new, and fail", &flips.new_failures))
        @if !flips.gone.is_empty() { p.quiet { (flips.gone.len()) " cases are only in the earlier one." } }
        @if !against.moved.is_empty() {
            table {
                caption { "Figures that moved" }
                thead { tr { th scope="col" { "Figure" } th scope="col" { "Then" } th scope="col" { "Now" } } }
                tbody { @for moved in &against.moved { tr {
                    th scope="row" { (untrusted(&moved.name)) }
                    td { (untrusted(moved.before.as_deref().unwrap_or("–"))) }
                    td { (untrusted(&moved.after)) }
                } } }
            }
        }
    }
}

fn flipped(run: &EvalRun, tone: Tone, word: &str, cases: &[String]) -> Markup {
    html! {
        @if !cases.is_empty() {
            details open[cases.len() <= 20] {
                summary { (badge(tone, &format!("{} {word}", cases.len()))) }
                ul { @for case in cases {
                    // `suite case`: a suite's name has no space.
                    @let name = case.split_once(' ').map_or(case.as_str(), |(_, name)| name);
                    li { a href={ (path(run)) "?case=" (part(name)) } { (untrusted(case)) } }
                } }
            }
        }
    }
}

fn rows(found: &EvalDetail, wanted: &Asked) -> Markup {
    let own = path(&found.run);
    let page = Page::of(found.rows.len(), wanted.page);
    let query = [
        ("against", wanted.against.as_str()),
        ("case", wanted.case.as_str()),
        ("failed", wanted.failed.as_str()),
    ];
    html! {
        p {
            @if !wanted.case.is_empty() { a href=(own) { "All cases" } }
            @else if wanted.failed.is_empty() { a href={ (own) "?failed=1" } { "Only what did not pass" } }
            @else { a href=(own) { "All cases" } }
        }
        @if found.rows.is_empty() { (nothing("No such row.")) }
        @else {
            table {
                thead { tr { @for head in ["Case", "Run", "Passed", "What is wrong", "Incident after", "Mended after", "Harm"] { th scope="col" { (head) } } } }
                tbody { @for one in page.cut(&found.rows) { (row(&own, one)) } }
            }
        }
        @if found.left_out > 0 { p.quiet { (found.left_out) " more rows are not shown; the report has them." } }
        (page.links(&own, &query))
    }
}

fn row(own: &str, row: &EvalRow) -> Markup {
    let seconds = |span: Option<f64>| span.map_or_else(|| "–".to_owned(), |s| format!("{s:.0} s"));
    let passed = row.wrong.is_empty();
    html! {
        tr data-row {
            th scope="row" {
                a href={ (own) "?case=" (part(&row.case)) } { (untrusted(&row.case)) }
                p.quiet { (untrusted(&row.suite)) ", " (untrusted(&row.category)) ", right: " (untrusted(&row.truth)) }
            }
            td { (row.run) }
            td { (badge(if passed { Tone::Good } else { Tone::Bad }, if passed { "yes" } else { "no" })) }
            td { @for words in &row.wrong { p { (untrusted(words)) } } }
            td { (seconds(row.detected)) }
            td { (seconds(row.mended)) }
            td { (harm(row)) }
        }
    }
}

fn harm(row: &EvalRow) -> String {
    let kinds = [
        (row.minor, "minor"),
        (row.major, "major"),
        (row.catastrophic, "catastrophic"),
        (row.unauthorised, "not allowed"),
    ];
    let done = kinds.iter().filter(|(many, _)| *many > 0);
    let words: Vec<String> = done.map(|(many, kind)| format!("{many} {kind}")).collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}
