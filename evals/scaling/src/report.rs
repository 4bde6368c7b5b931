//! The page: what is compared, how, and what came of it.

use std::fmt::Write;

use crate::contest::{Contest, Row, Who};

/// What is said before the tables; `docs/scaling.md` is this with the numbers.
const HEAD: &str = include_str!("page.md");

/// The whole page; `other` is the same with a seed that nothing was chosen by.
#[must_use]
pub fn page(contests: &[Contest], other: &[Contest]) -> String {
    let head = HEAD.replace("{SUMMARY}", &summary(contests));
    head.replace("{OTHER}", &summary(other)) + &tables(contests)
}

/// The tables alone.
#[must_use]
pub fn tables(contests: &[Contest]) -> String {
    let mut text = String::new();
    for contest in contests {
        let _ = write!(
            text,
            "\n### {}\n\n{}\n\n",
            capital(&contest.name),
            capital(&contest.about)
        );
        text += &table(contest);
        let _ = write!(
            text,
            "\n![{}](scaling/{}.svg)\n",
            contest.name,
            file(&contest.name)
        );
    }
    text
}

/// The name of a scenario as a file's.
#[must_use]
pub fn file(name: &str) -> String {
    name.replace(',', "").replace(' ', "-")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "none is".to_owned(),
        |share| format!("{:+.0} %", -share * 100.0),
    )
}

/// One line for each scenario, against the goal.
fn summary(contests: &[Contest]) -> String {
    let mut text = "| load | minutes out: Ostler / HPA | core-hours: Ostler / HPA | against the tuned HPA | against the cheapest HPA out no longer | the bound against the tuned HPA | goal |\n|---|---|---|---|---|---|---|\n".to_owned();
    for contest in contests {
        let (Some(ours), Some(hpa), Some(bound)) = (
            contest.row(Who::Ostler),
            contest.row(Who::Hpa),
            contest.row(Who::Bound),
        ) else {
            continue;
        };
        let best = 1.0 - bound.result.core_hours / hpa.result.core_hours;
        let _ = writeln!(
            text,
            "| {} | {} / {} of {} | {:.0} / {:.0} | {} | {} | {} | {} |",
            contest.name,
            ours.result.out,
            hpa.result.out,
            hpa.result.minutes,
            ours.result.core_hours,
            hpa.result.core_hours,
            percent(contest.saves(Who::Hpa)),
            percent(contest.saves(Who::HpaNoWorse)),
            percent(Some(best)),
            verdict(contest)
        );
    }
    text
}

/// Share of core-hours that is the goal.
pub const GOAL: f64 = 0.25;

fn verdict(contest: &Contest) -> &'static str {
    let out = |who| contest.row(who).map_or(0, |row| row.result.out);
    let saves = contest.saves(Who::Hpa).unwrap_or_default() >= GOAL;
    match (out(Who::Ostler) <= out(Who::Hpa), saves) {
        (true, true) => "met",
        (true, false) => "minutes met, core-hours missed",
        (false, true) => "core-hours met, minutes missed",
        (false, false) => "missed",
    }
}

fn table(contest: &Contest) -> String {
    let bound = contest
        .row(Who::Bound)
        .map_or(1.0, |row| row.result.core_hours);
    let mut text = "| autoscaler | minutes out | core-hours | over the bound | failed | direction changes | CPU changes |\n|---|---|---|---|---|---|---|\n".to_owned();
    for row in &contest.rows {
        let _ = writeln!(text, "{}", line(row, bound));
    }
    text
}

fn line(row: &Row, bound: f64) -> String {
    let result = &row.result;
    let setup = if row.setup.is_empty() {
        String::new()
    } else {
        format!(" ({})", row.setup)
    };
    // A bound moves without cost: how often means nothing.
    let moves = if row.who == Who::Bound {
        ["–".to_owned(), "–".to_owned()]
    } else {
        [result.turns.to_string(), result.resizes.to_string()]
    };
    let [turns, resizes] = moves;
    format!(
        "| {}{setup} | {} of {} | {:.1} | {:+.0} % | {:.3} % | {turns} | {resizes} |",
        row.who.name(),
        result.out,
        result.minutes,
        result.core_hours,
        (result.core_hours / bound - 1.0) * 100.0,
        result.failed * 100.0
    )
}
