//! What a service's scaling should be told: how much an instance carries, and floors ahead of peaks.

use ostler_capacity::target::{self, Seen};
use ostler_core::{
    autoscale::Floor,
    signal::SignalKind,
    spec::Target,
    time::{Span, Time},
};
use ostler_tools::answer::ServiceDetail;
use serde_json::json;

use super::{advice::Advice, minds::Told};

/// How long what is proposed holds: a day, so that a person is not asked every hour.
const LASTS: Span = Span::minutes(24 * 60);
/// Targets that differ by less fit well enough.
const WORTH: f64 = 0.2;
/// One proposal moves a target by this factor at most.
const STEP: f64 = 2.0;
/// What was tuned is thought over again when less than this is left of it.
const RENEWED: Span = Span::minutes(60);

/// What fits better than what is in force; nothing where that fits, or scaling is not asked for.
pub(super) fn tune(detail: &ServiceDetail, told: &Told, now: Time) -> Option<Advice> {
    detail.spec.scaling.as_ref()?;
    let seen = Seen {
        most_each: told.most_each,
        fewest: detail.spec.replicas.min,
    };
    let each = target::carries(&told.numbers, seen)?;
    let (kind, now_each) = in_force(detail, now)?;
    let want = expressed(kind, each, detail, told)?;
    let next = now_each.map_or(want, |now| want.clamp(now / STEP, now * STEP));
    let differs = now_each.is_none_or(|now| (next - now).abs() > now * WORTH);
    let floors = floors(detail, told, now);
    let next = if differs { next } else { now_each? };
    if !differs && floors.is_empty() {
        return None;
    }
    let target = target(kind, next);
    let service = &detail.summary.service;
    let arguments =
        json!({ "service": service, "targets": [target], "floors": floors, "for": LASTS });
    let more = now_each.is_none_or(|now| next < now) || !floors.is_empty();
    Some(Advice {
        tool: "tune_scaling",
        arguments,
        title: format!("Tune `{service}`: {}", words(kind, next, &floors)),
        claim: format!(
            "`{service}`: each instance is told to carry {}; {} fits `{}`'s objective",
            now_each.map_or_else(|| "no rate".to_owned(), |now| amount(kind, now)),
            amount(kind, next),
            told.entry
        ),
        why: vec![
            told.numbers.to_string(),
            format!(
                "an instance carried {:.1} requests/s at most in the last minutes; nothing is told to carry more than twice that",
                told.most_each
            ),
        ],
        gives_more: more,
    })
}

/// The signal that is tuned, and what is in force of it. Who scales on latency or a queue alone is left at that.
fn in_force(detail: &ServiceDetail, now: Time) -> Option<(SignalKind, Option<f64>)> {
    let tuned = detail.tuning.as_ref();
    let tuned = tuned.filter(|tuning| tuning.until > now + RENEWED);
    let tuned = tuned.map_or(&[][..], |tuning| &tuning.targets);
    let own = &detail.spec.scaling.as_ref()?.targets;
    let known = tuned.iter().chain(own).find_map(|target| match target {
        Target::RequestRate { per_instance } => Some((SignalKind::RequestRate, *per_instance)),
        Target::Cpu { percent } => Some((SignalKind::CpuCores, *percent)),
        Target::QueueDepth { .. } | Target::Latency { .. } => None,
    });
    match known {
        Some((kind, value)) => Some((kind, Some(value))),
        None if own.is_empty() => Some((SignalKind::RequestRate, None)),
        None => None,
    }
}

/// Requests per second of one instance, in the words of the target: as they are, or as the CPU that they take.
fn expressed(kind: SignalKind, each: f64, detail: &ServiceDetail, told: &Told) -> Option<f64> {
    if kind == SignalKind::RequestRate {
        return Some(each);
    }
    let request = detail.spec.resources.requests.cpu?.0 as f64 / 1_000.0;
    let percent = each * told.numbers.work_s / request * 100.0;
    percent.is_finite().then(|| percent.clamp(1.0, 400.0))
}

fn target(kind: SignalKind, value: f64) -> Target {
    // Two digits are enough, and read well.
    let value = (value * 100.0).round() / 100.0;
    match kind {
        SignalKind::CpuCores => Target::Cpu { percent: value },
        _ => Target::RequestRate {
            per_instance: value,
        },
    }
}

/// Floors that nothing in force covers and that ask for more than there is.
fn floors(detail: &ServiceDetail, told: &Told, now: Time) -> Vec<Floor> {
    let most = detail.spec.replicas.max;
    let set = detail.tuning.as_ref();
    let covered = |floor: &Floor| {
        let mut floors = set.into_iter().flat_map(|tuning| &tuning.floors);
        floors.any(|one| {
            one.from <= floor.from + Span::minutes(15)
                && floor.from < one.until
                && one.replicas.saturating_add(1) >= floor.replicas
        })
    };
    let floors = told.floors.iter().map(|floor| Floor {
        replicas: floor.replicas.min(most),
        ..*floor
    });
    floors
        .filter(|floor| floor.from > now && floor.replicas > detail.summary.wanted)
        .filter(|floor| !covered(floor))
        .collect()
}

fn amount(kind: SignalKind, value: f64) -> String {
    match kind {
        SignalKind::CpuCores => format!("{value:.0} % of its CPU"),
        _ => format!("{value:.1} requests/s"),
    }
}

fn words(kind: SignalKind, each: f64, floors: &[Floor]) -> String {
    let each = amount(kind, each);
    match floors.iter().map(|floor| floor.replicas).max() {
        Some(most) => format!("{each} an instance, and {most} instances ahead of the peak"),
        None => format!("{each} an instance"),
    }
}
