//! When a rollout goes on, when it is finished, and by when something must happen or it goes back.
//! Whatever a rollout waits for, there is a moment after which it no longer does.

use super::{
    SETTLE_HOLD,
    draft::Draft,
    group::{Fate, Group, Member, held},
    judged, resize, rollout, stance,
};
use crate::{
    backoff,
    observed::{Answer, Phase},
    plan::{Judged, Request},
    rollout::{Mark, Stage},
    time::{Span, Time},
};

/// Whether the rollout goes on, finished, or missed a deadline.
pub(super) fn conclude(group: &Group, draft: &mut Draft) {
    if group.service.settled {
        return;
    }
    rollout::wake_when_proven(group, draft);
    judged::tell(group, draft);
    // Whoever holds a rollout was told and decides.
    let harm = judged::harm(group).filter(|_| group.service.paused().is_none());
    if let Some(why) = harm
        && revert(group, why, draft)
    {
        return;
    }
    let held = !group.stance.replaces || group.service.paused().is_some();
    if !held && stance::is_reached(group) && goes_on(group, draft) {
        return;
    }
    let Some(deadline) = deadline(group) else {
        return;
    };
    draft.wake(deadline);
    if deadline <= group.now {
        revert(group, judged::why_late(group), draft);
    }
}

/// What is due where the stage has all that it wants; says whether its deadlines no longer matter.
fn goes_on(group: &Group, draft: &mut Draft) -> bool {
    let mark = group.service.mark();
    match mark.stage {
        Stage::Rolling | Stage::Recreate => {
            settle(group, draft);
            true
        }
        Stage::Canary { .. } | Stage::Preview if !mark.bakes => {
            let stage = mark.stage;
            advance(group, mark, Mark { stage, bakes: true }, None, draft);
            true
        }
        Stage::Canary { .. } | Stage::Preview | Stage::Promoted => baked(group, mark, draft),
    }
}

fn settle(group: &Group, draft: &mut Draft) {
    match settles_at(group) {
        Some(at) if !held(at, SETTLE_HOLD, group.now) => draft.wake(at + SETTLE_HOLD),
        _ => draft.request(Request::Settle {
            service: group.key.clone(),
            generation: group.service.generation,
        }),
    }
}

/// When the last of the instances began to run as it should.
fn settles_at(group: &Group) -> Option<Time> {
    let running = group
        .members
        .iter()
        .filter(|member| member.incoming() && member.ready);
    running.map(resize::sized_since).max()
}

/// Whether the stage has been doing well for long enough, and goes on by itself.
fn baked(group: &Group, mark: Mark, draft: &mut Draft) -> bool {
    let service = group.service;
    // What failed meanwhile has to do well for as long again.
    let failed = |member: &&Member| member.incoming() && member.seen.attempt > 1;
    let restarted = group.members.iter().filter(failed);
    let since = restarted
        .map(Member::running_since)
        .chain([began(group)])
        .max();
    let since = since.unwrap_or(group.now);
    if !held(since, service.bake(), group.now) {
        draft.wake(since + service.bake());
        return false;
    }
    let passes = judged::passes(group);
    if !passes && !ends_unjudged(group, mark) {
        return false;
    }
    let Some(next) = service
        .stage_after(false)
        .filter(|_| !service.awaits_promotion())
    else {
        return false;
    };
    let judged = group.judged.as_ref().filter(|_| !passes);
    let unjudged = judged.map(Judged::in_words);
    advance(group, mark, next.into(), unjudged, draft);
    true
}

/// Whether a version that has all the traffic, and of which that cannot say whether it does harm, has waited
/// long enough. It goes on then, and that is said: going back would be no better founded, and the old one costs a
/// whole fleet. A step of a canary waits on.
fn ends_unjudged(group: &Group, mark: Mark) -> bool {
    let service = group.service;
    let patience = service.spec.update.progress_deadline;
    let longest = Span(service.bake().0.saturating_add(patience.0));
    let over = || !judged::may_tell(group) || held(began(group), longest, group.now);
    mark.stage == Stage::Promoted && judged::is_undecided(group) && over()
}

fn advance(group: &Group, from: Mark, to: Mark, unjudged: Option<String>, draft: &mut Draft) {
    draft.request(Request::Advance {
        service: group.key.clone(),
        generation: group.service.generation,
        from,
        to,
        unjudged,
    });
}

/// Asks to go back, where there is a way back and it is wanted; says whether it did.
fn revert(group: &Group, why: String, draft: &mut Draft) -> bool {
    let Some(stable) = &group.service.stable else {
        return false;
    };
    let goes =
        group.service.spec.update.auto_revert && !stable.spec.makes_same(&group.service.spec);
    if goes {
        draft.request(Request::Revert {
            service: group.key.clone(),
            from: group.service.generation,
            to: stable.generation,
            why,
        });
    }
    goes
}

/// Since when the rollout stands where it stands.
pub(super) fn began(group: &Group) -> Time {
    let service = group.service;
    let since = service.rollout.as_ref().map(|rollout| rollout.since);
    since.map_or(service.changed_at, |since| since.max(service.changed_at))
}

/// Whether something new is on its way in and may still get there.
pub(super) fn is_under_way(group: &Group) -> bool {
    let in_time = deadline(group).is_none_or(|deadline| deadline > group.now);
    group.service.rolls_out() && in_time
}

/// By when something must happen for the rollout to count as going well. Waiting for needs stops
/// the clock, it is not this rollout's fault.
pub(super) fn deadline(group: &Group) -> Option<Time> {
    let service = group.service;
    let waits = !group.waits_for.is_empty() || !group.in_turn_after.is_empty();
    if service.settled || waits {
        return None;
    }
    let update = &service.spec.update;
    if let Some(paused) = service.paused() {
        return Some(paused + update.pause_deadline);
    }
    let mark = service.mark();
    let last = matches!(mark.stage, Stage::Rolling | Stage::Recreate);
    if last && stance::is_reached(group) {
        return None;
    }
    let end = if mark.bakes || mark.stage == Stage::Promoted {
        let patience = if service.awaits_promotion() {
            update.pause_deadline
        } else {
            update.progress_deadline
        };
        began(group) + service.bake() + patience
    } else {
        progress(group) + update.progress_deadline
    };
    healthy_by(group).into_iter().chain([end]).min()
}

/// When the rollout last came closer to what its stage wants: something was placed, got ready, or
/// makes room.
fn progress(group: &Group) -> Time {
    let parted = |member: &Member| {
        member.outgoing() && matches!(member.fate, Fate::Stop(_) | Fate::Remove(_))
    };
    if group.placed > 0 || group.members.iter().any(parted) {
        return group.now;
    }
    let incoming = || group.members.iter().filter(|member| member.incoming());
    let placed = incoming().map(|member| member.seen.created_at);
    let ready = incoming()
        .filter(|member| member.ready)
        .map(Member::running_since);
    let ends = group.members.iter().filter(|member| {
        let ends = member.seen.phase == Phase::Stopping || member.seen.phase == Phase::Ended;
        ends && !member.current && !member.stays
    });
    let ends = ends.map(|member| member.seen.since);
    let moments = placed.chain(ready).chain(ends);
    moments.chain([began(group)]).max().unwrap_or(group.now)
}

/// By when the instances that are not ready must be.
fn healthy_by(group: &Group) -> Option<Time> {
    let incoming = group.members.iter().filter(|member| member.incoming());
    let unready = incoming
        .filter(|member| !member.good)
        .filter_map(unready_since);
    // What was not ready before cannot be held against this stage.
    let since = unready.map(|since| since.max(began(group))).min()?;
    Some(since + group.service.spec.update.healthy_deadline)
}

/// Since when an instance has not been ready. A running one whose probes have not answered yet is
/// not held against the rollout: after a restart of the daemon none has.
fn unready_since(member: &Member) -> Option<Time> {
    if let Some(began) = backoff::streak_began(member.seen, &member.spec.restart)
        && member.failures > 0
    {
        return Some(began);
    }
    if member.can_stop() && member.seen.phase == Phase::Running {
        let health = &member.seen.health;
        let since = [&health.startup, &health.readiness, &health.liveness];
        let no = since.into_iter().filter_map(|answer| match answer {
            Answer::No { since, .. } => Some(*since),
            _ => None,
        });
        return no.min().map(|since| since.max(member.seen.created_at));
    }
    Some(member.seen.created_at)
}
