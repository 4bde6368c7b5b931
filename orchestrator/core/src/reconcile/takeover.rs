//! What is seen of blue/green's new version: failed runs while it is a preview, and all that it does once it has the
//! traffic, each against what the last good version showed before. Pure; how that is weighed is in
//! `crate::analysis`, what follows in `judged` and `progress`.
//!
//! Failed runs are read off the instances, so they outlive the daemon. Requests of before the promotion are kept by
//! whoever counts; where they are not known, nothing is supposed of them.

use super::{
    group::Group,
    judged::{NOT_MEASURED, Side, of_instance, of_this_stage, readiness, side},
    progress,
};
use crate::{
    analysis::{Counts, Measured, Pair, Rules, judge_runs, judge_takeover},
    observed::{EXITS_LIMIT, Exit, InstanceSeen, Observed},
    plan::Basis,
    rollout::Stage,
    time::{Span, Time},
};

/// How far back failed runs of the last good version are looked for: they are rare.
const LOOKS_BACK: Span = Span::minutes(60);

/// Judges the preview, or what was promoted.
pub(super) fn judge(group: &Group, observed: &Observed) -> Basis {
    let service = group.service;
    let analysis = &service.spec.update.analysis;
    let rules = Rules { analysis, steps: 1 };
    let runs = runs(group);
    let by_runs = |why: &str| Basis::Runs {
        why: why.to_owned(),
        judgement: judge_runs(rules, &runs),
    };
    if service.stage() == Stage::Preview {
        return by_runs("a preview takes no traffic");
    }
    if service.bake() == Span(0) {
        return readiness("`keepOld` is 0s, there is no time to look");
    }
    let Some(measured) = observed.measured.get(group.key) else {
        return by_runs(NOT_MEASURED);
    };
    let measured = of_this_stage(service, measured);
    let pair = measured.map_or_else(
        || runs.clone(),
        |measured| with_requests(group, measured, &runs),
    );
    Basis::Traffic {
        since: measured.map_or(group.now, |measured| measured.since),
        judgement: judge_takeover(rules, &pair),
    }
}

/// Failed runs of the new version since the rollout stands where it stands, and of the last good one before.
fn runs(group: &Group) -> Pair {
    let began = progress::began(group);
    let mut pair = Pair::default();
    for member in group.members.iter().filter(|member| !member.lost) {
        match side(group.service, member.seen.generation) {
            Some(Side::New) => pair.new += &of_instance(member.seen, began, group.now),
            Some(Side::Old) => pair.old += &of_instance_before(member.seen, began),
            None => {}
        }
    }
    pair
}

/// What an instance showed in the hour until then. All its failed runs count: fewer would make the others look worse.
fn of_instance_before(seen: &InstanceSeen, until: Time) -> Counts {
    let mut from = (until - LOOKS_BACK).max(seen.created_at);
    if seen.exits.len() >= EXITS_LIMIT {
        // Those before are forgotten.
        from = seen.exits.first().map_or(from, |first| from.max(first.at));
    }
    let failed = |exit: &&Exit| exit.is_failure() && exit.at >= from && exit.at < until;
    let mut counts = Counts {
        there: until.since(from),
        ..Counts::default()
    };
    for exit in seen.exits.iter().filter(failed) {
        counts.restarts += 1;
        counts.out_of_memory += u64::from(exit.out_of_memory);
    }
    counts
}

/// The same with the requests of both: the new version's since it has the traffic, the old one's before.
fn with_requests(group: &Group, measured: &Measured, runs: &Pair) -> Pair {
    let mut pair = runs.clone();
    for (generation, counts) in &measured.versions {
        if side(group.service, *generation) == Some(Side::New) {
            pair.new += counts;
        }
    }
    for (generation, counts) in measured.before.iter().flat_map(|before| &before.versions) {
        if side(group.service, *generation) == Some(Side::Old) {
            pair.old += counts;
        }
    }
    pair
}
