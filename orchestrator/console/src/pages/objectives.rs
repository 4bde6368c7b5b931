//! What a service promises, and how much of its error budget the last day took.

use maud::{Markup, html};
use ostler_core::{
    id::ServiceKey,
    signal::{Point, SignalKind},
    spec::{LatencyObjective, Objectives},
    time::Span,
};
use ostler_tools::{answer::Signals, words::span};
use serde_json::json;

use crate::{
    problem::Problem,
    ui::bits::{Tone, badge, fact},
    visit::Visit,
};

/// The longest that one point stands for: where nothing was measured, nothing is counted.
const STANDS: Span = Span::minutes(10);

/// The last day of what promises are about.
pub(super) async fn measured(
    visit: &Visit,
    service: &ServiceKey,
    objectives: Option<&Objectives>,
) -> Result<Option<Signals>, Problem> {
    if objectives.is_none() {
        return Ok(None);
    }
    let kinds = ["request_rate", "error_ratio", "latency_p99"];
    let args = json!({ "service": service, "since": "24h", "points": 500, "kinds": kinds });
    visit.ask_if_may("query_signals", args).await
}

/// Promises and what became of them.
pub(super) fn section(objectives: &Objectives, day: Option<&Signals>) -> Markup {
    let of = |kind| {
        let series = day.iter().flat_map(|day| &day.series);
        let mut found = series.filter(|one| one.kind == kind);
        found.next().map_or(&[][..], |one| one.points.as_slice())
    };
    html! {
        section #objectives {
            h2 { "Objectives" }
            dl.facts {
                @if let Some(promised) = objectives.availability {
                    (fact("Requests that succeed", &html! { (promised) " %" }))
                    (fact("Error budget", &budget(promised, spent(of(SignalKind::RequestRate), of(SignalKind::ErrorRatio)))))
                }
                @if let Some(promised) = &objectives.latency {
                    (fact("Latency", &html! { (promised.quantile) " % under " (span(promised.under)) }))
                    (fact("Kept", &latency(promised, of(SignalKind::LatencyP99))))
                }
            }
        }
    }
}

/// Requests of the last day, and those that failed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spent {
    requests: f64,
    failed: f64,
}

/// Adds up what was measured: a share of errors stands until the next one, at the rate of its time.
fn spent(rates: &[Point], errors: &[Point]) -> Option<Spent> {
    let mut spent = Spent {
        requests: 0.0,
        failed: 0.0,
    };
    let ends = errors.iter().skip(1).map(|next| next.at);
    for (error, end) in errors.iter().zip(ends) {
        let until = rates.partition_point(|rate| rate.at <= error.at);
        let rate = until.checked_sub(1).and_then(|at| rates.get(at));
        let Some(rate) = rate.filter(|rate| error.at.since(rate.at) <= STANDS) else {
            continue;
        };
        let requests = rate.value * end.since(error.at).min(STANDS).as_secs_f64();
        spent.requests += requests;
        spent.failed += requests * error.value;
    }
    (spent.requests >= 1.0).then_some(spent)
}

fn budget(promised: f64, spent: Option<Spent>) -> Markup {
    let Some(spent) = spent else {
        return html! { span.quiet { "no requests of the last day were measured" } };
    };
    let allowed = spent.requests * (1.0 - promised / 100.0);
    let share = (spent.failed / allowed * 100.0).round();
    let tone = match share {
        share if share >= 100.0 => Tone::Bad,
        share if share >= 75.0 => Tone::Warn,
        _ => Tone::Good,
    };
    html! {
        (badge(tone, &format!("{share} % used")))
        " in a day: about " (spent.failed.round()) " of " (spent.requests.round()) " requests failed, " (allowed.round()) " may"
    }
}

/// The daemon keeps the 99th percentile only; of others it says that it does not know.
fn latency(promised: &LatencyObjective, points: &[Point]) -> Markup {
    if (promised.quantile - 99.0).abs() > f64::EPSILON {
        return html! { span.quiet { "only the 99th percentile is kept" } };
    }
    if points.is_empty() {
        return html! { span.quiet { "no latency of the last day was measured" } };
    }
    let under = promised.under.as_secs_f64();
    let kept = points.iter().filter(|point| point.value < under).count();
    let share = kept as f64 / points.len() as f64 * 100.0;
    html! { (format!("{share:.1}")) " % of the moments of the last day that were measured" }
}

#[cfg(test)]
mod tests {
    use ostler_core::time::Time;

    use super::*;

    fn points(values: &[(u64, f64)]) -> Vec<Point> {
        let point = |(at, value): &(u64, f64)| Point {
            at: Time(at * 1_000),
            value: *value,
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn failed_requests_are_added_up_over_what_was_measured() {
        let rates = points(&[(0, 10.0), (60, 20.0), (7_200, 5.0)]);
        let errors = points(&[(0, 0.0), (60, 0.5), (120, 0.0), (7_200, 1.0), (7_260, 0.0)]);
        let spent = spent(&rates, &errors).unwrap();
        // A minute at 10, a minute at 20 of which half failed, ten minutes of a gap, a minute of 5 that all failed.
        assert_eq!(
            spent,
            Spent {
                requests: 600.0 + 1_200.0 + 12_000.0 + 300.0,
                failed: 600.0 + 300.0
            }
        );
        let words = budget(99.0, Some(spent)).into_string();
        assert!(words.contains("638 % used"), "{words}");
        assert_eq!(super::spent(&rates, &[]), None);
        assert!(budget(99.0, None).into_string().contains("no requests"));
    }

    #[test]
    fn what_is_not_kept_is_not_judged() {
        let promise = |quantile| LatencyObjective {
            quantile,
            under: Span(250),
        };
        let day = points(&[(0, 0.1), (60, 0.3), (120, 0.2), (180, 0.2)]);
        let words = latency(&promise(99.0), &day).into_string();
        assert!(words.starts_with("75.0 %"), "{words}");
        assert!(latency(&promise(95.0), &day).into_string().contains("only"));
    }
}
