//! What a service's scaling should be told: how much an instance carries, and floors ahead of peaks.

use ostler_capacity::target::{self, Seen};
use ostler_core::{
    autoscale::{FLOORS_LIMIT, Floor, Tuning},
    signal::SignalKind,
    spec::Target,
    time::{Span, Time},
};
use ostler_tools::answer::ServiceDetail;
use serde_json::{Map, Value, json};

use super::{advice::Advice, minds::Told};

/// How long what is proposed holds: a day, so that a person is not asked every hour.
const LASTS: Span = Span::minutes(24 * 60);
/// Targets that differ by less fit well enough.
const WORTH: f64 = 0.2;
/// One proposal moves a target by this factor at most.
const STEP: f64 = 2.0;
/// What was tuned is thought over again when less than this is left of it.
const RENEWED: Span = Span::minutes(60);
/// Floors are asked for when the first of them is this near.
const NEAR: Span = Span::minutes(45);
/// Whether a floor is covered is looked at this closely.
const STRIDE: Span = Span::minutes(5);

/// What fits better than what is in force; nothing where that fits, or scaling is not asked for.
pub(super) fn tune(detail: &ServiceDetail, told: &Told, now: Time) -> Option<Advice> {
    let own = &detail.spec.scaling.as_ref()?.targets;
    let tuned = detail.tuning.as_ref().filter(|tuning| tuning.holds(now));
    let seen = Seen {
        most_each: told.most_each,
        fewest: detail.spec.replicas.min,
    };
    let each = target::carries(&told.numbers, seen)?;
    let (kind, now_each) = in_force(own, tuned)?;
    let want = expressed(kind, each, detail, told)?;
    let next = now_each.map_or(want, |now| want.clamp(now / STEP, now * STEP));
    let fits = |other: f64| (next - other).abs() <= other * WORTH;
    let differs = now_each.is_none_or(|now| !fits(now));
    // What was tuned ends soon, and what the manifest says then does not fit.
    let ends = tuned.is_some_and(|tuning| tuning.until <= now + RENEWED);
    let falls_back = ends && {
        let (own_kind, own_each) = in_force(own, None).unwrap_or((kind, None));
        own_kind != kind || own_each.is_none_or(|own| !fits(own))
    };
    let floors = new_floors(detail, tuned, told, now);
    if !differs && !falls_back && floors.is_empty() {
        return None;
    }
    let next = now_each.filter(|_| !differs).unwrap_or(next);
    let (targets, all_floors) = whole(tuned, target(kind, next), &floors, now);
    let arguments = [
        ("service", json!(detail.summary.service)),
        ("targets", json!(targets)),
        ("floors", json!(all_floors)),
        ("for", json!(LASTS)),
    ];
    let arguments = arguments.map(|(name, value)| (name.to_owned(), value));
    let arguments = Map::from_iter(arguments);
    Some(advice(
        told,
        arguments,
        (kind, now_each, next),
        &floors,
        detail,
    ))
}

fn advice(
    told: &Told,
    arguments: Map<String, Value>,
    (kind, now_each, next): (SignalKind, Option<f64>, f64),
    floors: &[Floor],
    detail: &ServiceDetail,
) -> Advice {
    let service = &detail.summary.service;
    Advice {
        tool: "tune_scaling",
        arguments,
        title: format!("Tune `{service}`: {}", words(kind, next, floors)),
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
        gives_more: now_each.is_none_or(|now| next < now) || !floors.is_empty(),
    }
}

/// A tuning replaces the one before: what that says of other signals, and its floors that are not over, go on.
fn whole(
    tuned: Option<&Tuning>,
    new: Target,
    floors: &[Floor],
    now: Time,
) -> (Vec<Target>, Vec<Floor>) {
    let (mut targets, mut all) = (Vec::new(), Vec::new());
    if let Some(tuning) = tuned {
        let others = tuning.targets.iter();
        targets.extend(others.filter(|other| other.signal() != new.signal()));
        let left = tuning.floors.iter().filter(|floor| floor.until > now);
        all.extend(left.map(|floor| Floor {
            until: floor.until.min(tuning.until),
            ..*floor
        }));
    }
    targets.push(new);
    all.extend(floors);
    all.retain(|floor| floor.from < floor.until && floor.from < now + LASTS);
    all.truncate(FLOORS_LIMIT);
    (targets, all)
}

/// The signal that is tuned, and what is in force of it. Who scales on latency or a queue alone is left at that.
fn in_force(own: &[Target], tuned: Option<&Tuning>) -> Option<(SignalKind, Option<f64>)> {
    let tuned = tuned.map_or(&[][..], |tuning| &tuning.targets);
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
    let request = detail.spec.resources.requests.cpu?.as_cores();
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

/// Floors that nothing in force covers and that ask for more than there is, once the first of them is near: a person
/// is not asked for each quarter of an hour anew.
fn new_floors(
    detail: &ServiceDetail,
    tuned: Option<&Tuning>,
    told: &Told,
    now: Time,
) -> Vec<Floor> {
    let most = detail.spec.replicas.max;
    let floors = told.floors.iter().map(|floor| Floor {
        replicas: floor.replicas.min(most),
        ..*floor
    });
    let new: Vec<Floor> = floors
        .filter(|floor| floor.from > now && floor.replicas > detail.summary.wanted)
        .filter(|floor| !is_covered(floor, tuned))
        .collect();
    let near = new.iter().any(|floor| floor.from <= now + NEAR);
    if near { new } else { Vec::new() }
}

/// Whether floors in force ask for as many, but for one, all the time.
fn is_covered(floor: &Floor, tuned: Option<&Tuning>) -> bool {
    let under = |at: Time| {
        let held = tuned.filter(|tuning| tuning.holds(at));
        let set = held.and_then(|tuning| tuning.floor(at));
        set.is_some_and(|set| set.replicas.saturating_add(1) >= floor.replicas)
    };
    let length = floor.until.since(floor.from).0;
    let moments = (0..length).step_by(usize::try_from(STRIDE.0).unwrap_or(1));
    moments.map(|after| floor.from + Span(after)).all(under)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(count: u64) -> Time {
        Time(count * 60_000)
    }

    fn floor(from: u64, until: u64, replicas: u32) -> Floor {
        Floor {
            from: minutes(from),
            until: minutes(until),
            replicas,
        }
    }

    fn tuning(until: u64) -> Tuning {
        Tuning {
            targets: vec![
                Target::QueueDepth { per_instance: 9.0 },
                Target::RequestRate { per_instance: 5.0 },
            ],
            floors: vec![floor(10, 20, 4), floor(100, 160, 6)],
            until: minutes(until),
        }
    }

    #[test]
    fn what_was_tuned_before_of_others_and_of_later_goes_on() {
        let new = Target::RequestRate { per_instance: 8.0 };
        let tuned = tuning(130);
        let (targets, floors) = whole(Some(&tuned), new, &[floor(200, 215, 9)], minutes(30));
        assert_eq!(targets, [Target::QueueDepth { per_instance: 9.0 }, new]);
        // No longer than it held, and without what is over.
        assert_eq!(floors, [floor(100, 130, 6), floor(200, 215, 9)]);
        assert_eq!(whole(None, new, &[], minutes(30)), (vec![new], Vec::new()));
    }

    #[test]
    fn a_floor_is_covered_only_all_the_time_and_while_the_tuning_holds() {
        let long = tuning(500);
        assert!(is_covered(&floor(110, 125, 7), Some(&long)), "but for one");
        assert!(!is_covered(&floor(110, 125, 8), Some(&long)));
        assert!(!is_covered(&floor(150, 165, 6), Some(&long)), "ends before");
        assert!(!is_covered(&floor(110, 125, 6), Some(&tuning(115))));
        assert!(!is_covered(&floor(110, 125, 6), None));
    }

    #[test]
    fn a_tuning_counts_while_it_holds() {
        let own = [Target::RequestRate { per_instance: 2.0 }];
        let rate = |value| Some((SignalKind::RequestRate, Some(value)));
        assert_eq!(in_force(&own, Some(&tuning(500))), rate(5.0));
        assert_eq!(in_force(&own, None), rate(2.0));
        assert_eq!(
            in_force(&[Target::QueueDepth { per_instance: 1.0 }], None),
            None
        );
        assert_eq!(in_force(&[], None), Some((SignalKind::RequestRate, None)));
    }
}
