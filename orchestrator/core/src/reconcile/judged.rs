//! What a new version does with its part of the traffic, and what follows for its rollout: harm sends it
//! back at once, a step passes only when it is shown harmless, too little traffic waits. Pure; how that is
//! judged is in `crate::analysis`.
//!
//! Only steps of a canary have two versions in traffic at the same time. Everything else, and services whose
//! traffic nobody measures by version, is judged by readiness alone, and says so.

use super::{LOOK_AGAIN, draft::Draft, group::Group};
use crate::{
    analysis::{Counts, Measured, Pair, RUNS_LIMIT, Rules, Verdict, judge as weigh},
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
    let by = match comparable(group, observed) {
        Ok(measured) => by_traffic(group, measured),
        Err(why) => Basis::Readiness {
            why: why.to_owned(),
        },
    };
    Some(Judged {
        generation: service.generation,
        stage,
        by,
    })
}

/// What was measured, or why there is nothing to compare.
fn comparable<'a>(group: &Group, observed: &'a Observed) -> Result<&'a Measured, &'static str> {
    let service = group.service;
    if !service.spec.update.analysis.enabled {
        return Err("`spec.update.analysis` is off");
    }
    let step = match service.stage() {
        Stage::Preview => return Err("a preview takes no traffic"),
        Stage::Promoted => return Err("the old version takes no traffic any more"),
        stage => service.canary_step(stage),
    };
    if !step.is_some_and(compares) {
        return Err("all traffic is on the new version");
    }
    let measured = observed.measured.get(group.key);
    measured.ok_or("nothing measures its traffic by version")
}

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
    // Counts of an earlier stage say nothing of this one.
    let is_of_this = measured.generation == service.generation && measured.stage == service.stage();
    let (since, pair) = if is_of_this {
        (measured.since, pair(group, measured))
    } else {
        (group.now, Pair::default())
    };
    Basis::Traffic {
        since,
        judgement: weigh(rules, &pair),
    }
}

fn pair(group: &Group, measured: &Measured) -> Pair {
    let service = group.service;
    let old = service.stable.as_ref().map(|stable| stable.generation);
    let mut pair = Pair::default();
    let mut add = |generation, counts: &Counts| {
        let version = traffic::version(service, generation);
        if version == service.generation {
            pair.new += counts;
        } else if Some(version) == old {
            pair.old += counts;
        }
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

/// What an instance itself shows since then.
fn of_instance(seen: &InstanceSeen, since: Time, now: Time) -> Counts {
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
        draft.wake(group.now + LOOK_AGAIN);
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

/// Why it goes back when its time is over.
pub(super) fn why_late(group: &Group) -> String {
    let undecided = |judged: &&Judged| {
        let unclear = verdict(judged) == Some(Verdict::NotEnough);
        unclear && group.service.mark().bakes
    };
    match group.judged.as_ref().filter(undecided) {
        Some(judged) => format!("its time is over, {}", judged.in_words()),
        None => "it missed its deadline".to_owned(),
    }
}

fn verdict(judged: &Judged) -> Option<Verdict> {
    match &judged.by {
        Basis::Traffic { judgement, .. } => Some(judgement.verdict),
        Basis::Readiness { .. } => None,
    }
}
