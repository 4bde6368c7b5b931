//! Values below `spec.update`.

use super::{Fault, REPLICAS_LIMIT, demand, span};
use crate::{
    spec::{Analysis, BlueGreen, Canary, CanaryStep, Strategy, Update},
    time::Span,
    units::Percent,
};

/// Most steps of a canary.
const STEPS_LIMIT: usize = 20;
/// Most requests that may be asked for before a verdict.
const MIN_REQUESTS_CEILING: u64 = 1_000_000_000;
/// Longest time that a step is watched, or an old version kept.
const BAKE_CEILING: Span = Span::minutes(7 * 24 * 60);

/// Amounts, deadlines and the strategy.
pub(super) fn check(update: &Update) -> Result<(), Fault> {
    for (field, amount) in [
        ("maxSurge", update.max_surge),
        ("maxUnavailable", update.max_unavailable),
    ] {
        let fine = amount.of_rounded_up(1) <= REPLICAS_LIMIT;
        demand(
            fine,
            format!("spec.update.{field}"),
            amount,
            "use 10000 or 100% at most",
        )?;
    }
    let stuck = update.max_surge.is_zero() && update.max_unavailable.is_zero();
    let accepted = "`maxSurge` and `maxUnavailable` cannot both be zero, nothing could be replaced";
    demand(!stuck, "spec.update.maxSurge", update.max_surge, accepted)?;
    span("spec.update.healthyDeadline", update.healthy_deadline)?;
    span("spec.update.progressDeadline", update.progress_deadline)?;
    let fine = update.progress_deadline >= update.healthy_deadline;
    let accepted = format!(
        "use at least `spec.update.healthyDeadline`, which is {}",
        update.healthy_deadline
    );
    demand(
        fine,
        "spec.update.progressDeadline",
        update.progress_deadline,
        &accepted,
    )?;
    span("spec.update.pauseDeadline", update.pause_deadline)?;
    analysis(&update.analysis)?;
    strategy(&update.strategy)
}

fn analysis(analysis: &Analysis) -> Result<(), Fault> {
    let field = |name: &str| format!("spec.update.analysis.{name}");
    let least = analysis.min_requests;
    let fine = (1..=MIN_REQUESTS_CEILING).contains(&least);
    let accepted = "use 1 to 1000000000 requests";
    demand(fine, field("minRequests"), least, accepted)?;
    let (ratio, slow) = (analysis.error_ratio, analysis.latency);
    for (name, factor) in [
        ("errorRatio.factor", ratio.factor),
        ("latency.factor", slow.factor),
    ] {
        let fine = factor > 1.2 && factor <= 100.0;
        let accepted =
            "use more than 1.2 times and 100 at most; less than that cannot be told apart";
        demand(fine, field(name), factor, accepted)?;
    }
    let fine = ratio.floor > 0.0 && ratio.floor <= 50.0;
    let accepted = "use percent above 0 and 50 at most";
    demand(fine, field("errorRatio.floor"), ratio.floor, accepted)?;
    let fine = slow.quantile >= 50.0 && slow.quantile < 100.0;
    let accepted = "use a percentile from 50, below 100";
    demand(fine, field("latency.quantile"), slow.quantile, accepted)
}

fn strategy(strategy: &Strategy) -> Result<(), Fault> {
    match strategy {
        Strategy::Rolling | Strategy::Recreate => Ok(()),
        Strategy::Canary(canary) => steps(canary),
        Strategy::BlueGreen(both) => windows(both),
    }
}

fn steps(canary: &Canary) -> Result<(), Fault> {
    let field = "spec.update.strategy.canary.steps";
    let count = canary.steps.len();
    demand(
        (1..=STEPS_LIMIT).contains(&count),
        field,
        count,
        "use 1 to 20 steps",
    )?;
    let mut before = (Percent(0), Percent(0));
    for (index, step) in canary.steps.iter().enumerate() {
        one_step(&format!("{field}[{index}]"), step, before)?;
        before = (step.share(), step.weight());
    }
    Ok(())
}

fn one_step(
    field: &str,
    step: &CanaryStep,
    (least_share, least_weight): (Percent, Percent),
) -> Result<(), Fault> {
    let (share, weight) = (step.share(), step.weight());
    let accepted =
        "use `share` (of the instances), `weight` (of the traffic) or both, from 1% to 100%";
    demand(share.0 > 0, format!("{field}.share"), share, accepted)?;
    demand(weight.0 > 0, format!("{field}.weight"), weight, accepted)?;
    let accepted = format!("use at least that of the step before, which is {least_share}");
    demand(
        share >= least_share,
        format!("{field}.share"),
        share,
        &accepted,
    )?;
    let accepted = format!("use at least that of the step before, which is {least_weight}");
    demand(
        weight >= least_weight,
        format!("{field}.weight"),
        weight,
        &accepted,
    )?;
    window(&format!("{field}.bake"), step.bake)
}

fn windows(both: &BlueGreen) -> Result<(), Fault> {
    window("spec.update.strategy.blueGreen.bake", both.bake)?;
    window("spec.update.strategy.blueGreen.keepOld", both.keep_old)
}

/// A span that may be zero and is a week at most.
fn window(field: &str, span: Span) -> Result<(), Fault> {
    demand(span <= BAKE_CEILING, field, span, "use 7d at most")
}
