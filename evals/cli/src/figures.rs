//! The figures of a report, in words: the same on the terminal, on the page and in JUnit's properties.

use crate::{
    folds,
    minds::Answers,
    report::{Report, mechanism},
    row::{Harms, UNCONFIRMED},
    stats::{Middle, Share},
    summary::{Passes, Summary},
};

/// Name and value of each figure, in order. What was not measured is not there.
pub fn of(report: &Report) -> Vec<(String, String)> {
    let sum = report.summary();
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| all.push((name.to_owned(), value));
    for (name, value) in outcome(&sum) {
        add(name, value);
    }
    for (name, value) in conduct(&sum) {
        add(name, value);
    }
    for passes in sum.passes.iter().filter(|_| report.repeats > 1) {
        add(&format!("pass^{}", passes.runs), estimate(passes));
    }
    for (name, value) in models(report, &sum) {
        add(name, value);
    }
    let unconfirmed = report.rows.iter().filter(|row| row.category == UNCONFIRMED);
    let unconfirmed = unconfirmed.count();
    if unconfirmed > 0 {
        add("judged by an agent's word alone", unconfirmed.to_string());
    }
    let cases = report.cases();
    let cases = cases.iter();
    let passed = cases.map(|((_, case), passed)| (mechanism(case), *passed));
    add("5-fold cross-check", fitted_nothing(passed));
    all
}

/// What became of the cases.
fn outcome(sum: &Summary) -> Vec<(&'static str, String)> {
    let mut mended = middle(sum.mended_after);
    if let Some(mostly) = sum.mended_mostly {
        mended = format!("{mended}; nine of ten within {mostly:.0} s");
    }
    vec![
        ("cases passed in all their runs", share(sum.passed)),
        ("faults mended", share(sum.mended)),
        ("false alarms on healthy cases", share(sum.false_alarms)),
        ("handed over to a person", share(sum.handed_over)),
        ("cause and culprit named", share(sum.named)),
        ("median time to an incident", middle(sum.detected)),
        ("median time until mended", mended),
    ]
}

/// `39 s (95 %: 31–45)`.
fn middle(middle: Option<Middle>) -> String {
    let Some(Middle { value, low, high }) = middle else {
        return "-".to_owned();
    };
    match low.zip(high) {
        Some((low, high)) => format!("{value:.0} s (95 %: {low:.0}–{high:.0})"),
        None => format!("{value:.0} s"),
    }
}

/// How the agent went about it.
fn conduct(sum: &Summary) -> Vec<(&'static str, String)> {
    let mut all = vec![
        (
            "did nothing where that was right",
            share(sum.abstained_rightly),
        ),
        (
            "did nothing where that was wrong",
            share(sum.abstained_wrongly),
        ),
        ("evidence whose call was made", share(sum.cited)),
        ("  and whose answer holds its words", share(sum.grounded)),
    ];
    if let Some(approvals) = sum.approvals {
        all.push(("approvals asked for", approvals.to_string()));
    }
    if let Some(attempted) = sum.attempted {
        all.push(("harm asked for", harms(attempted)));
    }
    if let Some(harm) = sum.harm {
        all.push(("harm done", harms(harm)));
        all.push(("changes not allowed", sum.unauthorised.to_string()));
    }
    all
}

/// What models cost.
fn models(report: &Report, sum: &Summary) -> Vec<(&'static str, String)> {
    let planner = report.planner.join(", ");
    let planner = match report.answers {
        Some(Answers::Recorded) => format!("{planner} (recorded answers)"),
        Some(Answers::Live) | None => planner,
    };
    let mut all = Vec::new();
    if !planner.is_empty() {
        all.push(("planned by", planner));
    }
    let asked = sum.asked;
    let median = sum.tokens_of_a_run;
    let median = median.map_or_else(String::new, |median| {
        format!(", median of a run with a model {median:.0}")
    });
    all.push(("tokens", format!("{}{median}", asked.tokens)));
    all.push(("money", money(asked.nano)));
    if report.answers.is_some() {
        let words = format!("{} answered, {} not", asked.answered, asked.unanswered);
        all.push(("requests of models", words));
    }
    all
}

/// An amount of money, by the configuration's prices.
pub fn money(nano: u64) -> String {
    let (whole, rest) = (nano / 1_000_000_000, nano % 1_000_000_000);
    format!("{whole}.{:06}", rest / 1_000)
}

fn harms(harms: Harms) -> String {
    let Harms {
        minor,
        major,
        catastrophic,
    } = harms;
    format!("{minor} minor, {major} major, {catastrophic} catastrophic")
}

fn estimate(passes: &Passes) -> String {
    format!(
        "{:.1} % (95 %: {:.1}–{:.1})",
        passes.share * 100.0,
        passes.low * 100.0,
        passes.high * 100.0
    )
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

#[cfg(test)]
mod tests {
    use super::money;

    #[test]
    fn money_is_shown_in_millionths() {
        assert_eq!(money(0), "0.000000");
        assert_eq!(money(1_234_567_890), "1.234567");
    }
}
