//! Values of `spec.scaling`.

use super::{Fault, demand};
use crate::{
    autoscale::{FLOORS_LIMIT, Tuning},
    spec::{FollowCpu, Pace, Scaling, ServiceSpec, TARGETS_LIMIT, Target},
    time::Span,
    units::MilliCpu,
};

/// The fewest CPUs that can be followed with.
const LEAST_CPU: MilliCpu = MilliCpu(10);

pub(super) fn check(spec: &ServiceSpec) -> Result<(), Fault> {
    let Some(scaling) = &spec.scaling else {
        return Ok(());
    };
    targets(&scaling.targets, spec, "spec.scaling.targets")?;
    scaling
        .cpu
        .as_ref()
        .map_or(Ok(()), |follow| cpu(follow, spec))?;
    for (signal, query) in &scaling.queries {
        let fine = (1..=2_000).contains(&query.len()) && !query.chars().any(char::is_control);
        let field = format!("spec.scaling.queries.{signal:?}");
        demand(
            fine,
            field,
            query,
            "use PromQL of 1 to 2000 characters on one line",
        )?;
    }
    pace("spec.scaling.up", &scaling.up)?;
    pace("spec.scaling.down", &scaling.down)?;
    to_zero(scaling, spec)
}

fn targets(targets: &[Target], spec: &ServiceSpec, field: &str) -> Result<(), Fault> {
    let (count, accepted) = (targets.len(), "use 8 targets at most");
    demand(count <= TARGETS_LIMIT, field, count, accepted)?;
    for (index, target) in targets.iter().enumerate() {
        let twice = targets
            .iter()
            .take(index)
            .any(|other| other.signal() == target.signal());
        let at = format!("{field}[{index}]");
        let name = format!("{:?}", target.signal());
        demand(!twice, &*at, name, "name each signal once")?;
        one(target, spec, &at)?;
    }
    Ok(())
}

fn cpu(follow: &FollowCpu, spec: &ServiceSpec) -> Result<(), Fault> {
    let (field, FollowCpu { min, max, percent }) = ("spec.scaling.cpu", follow);
    demand(
        (20.0..=95.0).contains(percent),
        format!("{field}.percent"),
        percent,
        "use 20 to 95",
    )?;
    let request = spec.resources.requests.cpu.unwrap_or_default();
    demand(
        *min >= LEAST_CPU && (*min..=*max).contains(&request),
        field,
        format!("{min} to {max}"),
        "use 10m or more, and bounds around `spec.resources.requests.cpu`, which new instances start with",
    )
}

fn one(target: &Target, spec: &ServiceSpec, at: &str) -> Result<(), Fault> {
    match *target {
        Target::Cpu { percent } => {
            let fine = (1.0..=400.0).contains(&percent);
            demand(fine, format!("{at}.percent"), percent, "use 1 to 400")?;
            let request = spec.resources.requests.cpu;
            demand(
                request.is_some_and(|cpu| cpu.0 > 0),
                at,
                "cpu",
                "a share of the CPU request needs `spec.resources.requests.cpu`",
            )
        }
        Target::RequestRate { per_instance } | Target::QueueDepth { per_instance } => {
            let fine = per_instance.is_finite() && per_instance > 0.0 && per_instance <= 1e9;
            let field = format!("{at}.perInstance");
            demand(fine, field, per_instance, "use more than 0 and 1e9 at most")
        }
        Target::Latency { under } => {
            let fine = under > Span(0) && under <= Span::minutes(60);
            let accepted = "use more than 0s and 1h at most";
            demand(fine, format!("{at}.under"), under, accepted)
        }
    }
}

fn pace(field: &str, pace: &Pace) -> Result<(), Fault> {
    let fine = (Span::seconds(10)..=Span::minutes(60)).contains(&pace.window);
    demand(
        fine,
        format!("{field}.window"),
        pace.window,
        "use 10s to 1h",
    )?;
    let fine = (Span::seconds(5)..=Span::minutes(60)).contains(&pace.every);
    demand(fine, format!("{field}.every"), pace.every, "use 5s to 1h")?;
    let fine = (1.05..=100.0).contains(&pace.factor);
    demand(
        fine,
        format!("{field}.factor"),
        pace.factor,
        "use 1.05 to 100",
    )
}

fn to_zero(scaling: &Scaling, spec: &ServiceSpec) -> Result<(), Fault> {
    let Some(after) = scaling.to_zero_after else {
        return Ok(());
    };
    let field = "spec.scaling.toZeroAfter";
    let fine = (Span::minutes(1)..=Span::minutes(60)).contains(&after);
    demand(fine, field, after, "use 1m to 1h")?;
    let accepted = "shrinking to zero needs `spec.replicas.min: 0`";
    demand(spec.replicas.min == 0, field, after, accepted)?;
    let wakes = |target: &Target| {
        matches!(
            target,
            Target::RequestRate { .. } | Target::QueueDepth { .. }
        )
    };
    let accepted = "shrinking to zero needs a target of `requestRate` or `queueDepth`";
    demand(scaling.targets.iter().any(wakes), field, after, accepted)
}

/// Checks what someone tunes: its targets as those of the spec, and floors that make sense. Moments
/// that have passed are no fault: a tuning that has ended does nothing.
pub(super) fn tuning(spec: &ServiceSpec, tuning: &Tuning) -> Result<(), Fault> {
    let accepted = "the service has no `spec.scaling`; give it one first, it may be `{}`";
    demand(spec.scaling.is_some(), "tuning", "tuning", accepted)?;
    targets(&tuning.targets, spec, "tuning.targets")?;
    let count = tuning.floors.len();
    let accepted = "use 96 floors at most";
    demand(count <= FLOORS_LIMIT, "tuning.floors", count, accepted)?;
    for (index, floor) in tuning.floors.iter().enumerate() {
        let at = format!("tuning.floors[{index}]");
        let accepted = "use a moment after `from`";
        let fine = floor.until > floor.from;
        demand(fine, format!("{at}.until"), floor.until.0, accepted)?;
        let most = spec.replicas.max;
        let accepted = format!("use at most `spec.replicas.max`, which is {most}");
        let fine = floor.replicas <= most;
        demand(fine, format!("{at}.replicas"), floor.replicas, &accepted)?;
    }
    Ok(())
}
