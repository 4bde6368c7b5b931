//! What a new version does with its part of the traffic, and what follows for its rollout: harm sends it
//! back at once, a step passes only when it is shown harmless, too little traffic waits. Pure; how that is
//! judged is in `crate::analysis`.
//!
//! Only steps of a canary have two versions in traffic at the same time; blue/green is judged in `takeover`. What has
//! neither, and services whose traffic nobody measures by version, is judged by readiness alone, and says so.

use super::{LOOK_AGAIN, LOOK_SOON, draft::Draft, group::Group, takeover};
use crate::{
    analysis::{Counts, Measured, Pair, RUNS_LIMIT, Rules, Verdict, judge as weigh},
    id::Generation,
    intent::Service,
    observed::{InstanceSeen, Observed},
    plan::{Basis, Judged},
    rollout::Stage,
    spec::{CanaryStep, Strategy},
    time::Time,
    traffic,
};

/// Judges the new version of a service whose rollout has stages.
pub(super) fn judge(group: &Group, observed: &Observed) -> Option<Judged> {
    let service = group.service;
    let stage = service.stage();
    if !service.rolls_out() || matches!(stage, Stage::Rolling | Stage::Recreate) {
        return None;
    }
    let by = match stage {
        _ if !service.spec.update.analysis.enabled => readiness("`spec.update.analysis` is off"),
        Stage::Preview | Stage::Promoted => takeover::judge(group, observed),
        _ => match comparable(group, observed) {
            Ok(measured) => by_traffic(group, measured),
            Err(why) => readiness(why),
        },
    };
    Some(Judged {
        generation: service.generation,
        stage,
        by,
    })
}

pub(super) fn readiness(why: &str) -> Basis {
    let why = why.to_owned();
    Basis::Readiness { why }
}

/// What was measured, or why there is nothing to compare.
fn comparable<'a>(group: &Group, observed: &'a Observed) -> Result<&'a Measured, &'static str> {
    let service = group.service;
    if !service.canary_step(service.stage()).is_some_and(compares) {
        return Err("all traffic is on the new version");
    }
    let measured = observed.measured.get(group.key);
    measured.ok_or(NOT_MEASURED)
}

/// Why nothing is known of a service's traffic.
pub(super) const NOT_MEASURED: &str = "nothing measures its traffic by version";

/// Whether the old version has a part of the traffic in a step too.
fn compares(step: &CanaryStep) -> bool {
    step.weight().0 < 100 && step.share().0 < 100
}

fn by_traffic(group: &Group, measured: &Measured) -> Basis {
    let service = group.service;
    let steps = match &service.spec.update.strategy {
        Strategy::Canary(canary) => canary.steps.iter().filter(|step| compares(step)).count(),
        _ => 1,
    };
    let rules = Rules {
        analysis: &service.spec.update.analysis,
        steps: u32::try_from(steps).unwrap_or(u32::MAX),
    };
    let (since, pair) = match of_this_stage(service, measured) {
        Some(measured) => (measured.since, pair(group, measured)),
        None => (group.now, Pair::default()),
    };
    Basis::Traffic {
        since,
        judgement: weigh(rules, &pair),
    }
}

/// Counts of an earlier stage say nothing of this one.
pub(super) fn of_this_stage<'a>(service: &Service, measured: &'a Measured) -> Option<&'a Measured> {
    let is = measured.generation == service.generation && measured.stage == service.stage();
    is.then_some(measured)
}

fn pair(group: &Group, measured: &Measured) -> Pair {
    let mut pair = Pair::default();
    let mut add = |generation, counts: &Counts| match side(group.service, generation) {
        Some(Side::New) => pair.new += counts,
        Some(Side::Old) => pair.old += counts,
        None => {}
    };
    for (generation, counts) in &measured.versions {
        add(*generation, counts);
    }
    for member in group.members.iter().filter(|member| !member.lost) {
        let counts = of_instance(member.seen, measured.since, group.now);
        add(member.seen.generation, &counts);
    }
    pair
}

/// Which of the two versions that are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    New,
    Old,
}

/// Which version a generation counts as; `None` for one that is neither.
pub(super) fn side(service: &Service, generation: Generation) -> Option<Side> {
    let version = traffic::version(service, generation);
    let old = service.stable.as_ref().map(|stable| stable.generation);
    if version == service.generation {
        return Some(Side::New);
    }
    (Some(version) == old).then_some(Side::Old)
}

/// What an instance itself shows since then.
pub(super) fn of_instance(seen: &InstanceSeen, since: Time, now: Time) -> Counts {
    let failed = seen.exits.iter().rev();
    let failed = failed
        .filter(|exit| exit.is_failure() && exit.at >= since)
        .take(RUNS_LIMIT);
    let mut counts = Counts {
        there: now.since(since.max(seen.created_at)),
        ..Counts::default()
    };
    for exit in failed {
        counts.restarts += 1;
        counts.out_of_memory += u64::from(exit.out_of_memory);
    }
    counts
}

/// Puts it into the plan, and asks to look again while more is counted.
pub(super) fn tell(group: &Group, draft: &mut Draft) {
    let Some(judged) = &group.judged else {
        return;
    };
    if matches!(judged.by, Basis::Traffic { .. }) {
        let all = judged.stage == Stage::Promoted;
        draft.wake(group.now + if all { LOOK_SOON } else { LOOK_AGAIN });
    }
    draft.judged(group.key, judged.clone());
}

/// The harm that the new version is as good as sure to do, in words.
pub(super) fn harm(group: &Group) -> Option<String> {
    let judged = group.judged.as_ref()?;
    (verdict(judged) == Some(Verdict::Fail)).then(|| judged.in_words())
}

/// Whether its traffic, where it is judged by that, lets the stage pass.
pub(super) fn passes(group: &Group) -> bool {
    let verdict = group.judged.as_ref().and_then(verdict);
    verdict.is_none_or(|verdict| verdict == Verdict::Pass)
}

/// Whether its traffic, where it is judged by that, cannot say.
pub(super) fn is_undecided(group: &Group) -> bool {
    group.judged.as_ref().and_then(verdict) == Some(Verdict::NotEnough)
}

/// Whether more traffic may still tell. Not so where too little is known of the last good version, which gets no more.
pub(super) fn may_tell(group: &Group) -> bool {
    let judgement = group.judged.as_ref().and_then(Judged::judgement);
    let least = group.service.spec.update.analysis.min_requests;
    judgement.is_some_and(|judgement| judgement.old_requests >= least)
}

/// Why it goes back when its time is over.
pub(super) fn why_late(group: &Group) -> String {
    let unclear = is_undecided(group) && group.service.mark().bakes;
    match group.judged.as_ref().filter(|_| unclear) {
        Some(judged) => format!("its time is over, {}", judged.in_words()),
        None => "it missed its deadline".to_owned(),
    }
}

fn verdict(judged: &Judged) -> Option<Verdict> {
    judged.judgement().map(|judgement| judgement.verdict)
}
