//! Replacing instances: of earlier generations, and on nodes that are being emptied.
//!
//! Placing is limited by the surge, stopping by how many must stay ready. Ready instances of the
//! old generation are never taken below that; broken ones go first. While a new generation
//! crash-loops, the old one keeps serving.

use super::{
    PROVEN_AFTER, SETTLE_HOLD, asked,
    draft::Draft,
    exit::Verdict,
    group::{Fate, Group, Member, held},
    resize,
};
use crate::{backoff, observed::Answer, plan::Request, step::Reason, time::Time};

/// Takes away outgoing instances that serve nobody and would not: stopped by us, crash-looping,
/// never started. Their places are free for replacements at once.
pub(super) fn clear_dead(group: &mut Group) {
    let there = group.count(|member| member.incoming() && !member.surplus);
    let replaced = there >= group.limits.wanted;
    for index in 0..group.members.len() {
        let Some(member) = group.members.get(index) else {
            continue;
        };
        if !member.outgoing() || member.good {
            continue;
        }
        let dead = if member.current {
            // Only its node is leaving: it stays in use until its replacement exists.
            member.is_down() && replaced
        } else {
            stopped_by_us(group, member) || never_serves(member) || group.limits.wanted == 0
        };
        if dead {
            let reason = reason(group, member);
            if let Some(member) = group.members.get_mut(index) {
                member.part_with(reason);
            }
        }
    }
}

/// It ended because a plan asked it to, and not to be restarted.
fn stopped_by_us(group: &Group, member: &Member) -> bool {
    let asked = matches!(member.verdict, Verdict::Again(Reason::Asked));
    asked && !asked::is_pending(group, member)
}

/// It is not ready and fails again and again, or cannot even be started.
fn never_serves(member: &Member) -> bool {
    let failed = matches!(member.seen.phase, crate::observed::Phase::Failed { .. });
    !member.ready && (failed || member.crash_loops())
}

fn reason(group: &Group, member: &Member) -> Reason {
    if member.current {
        return Reason::NodeLeaving;
    }
    if went_back(group, member) {
        Reason::Reverted
    } else {
        Reason::Replaced
    }
}

/// Why an instance gets other resources.
pub(super) fn reason_to_resize(group: &Group, member: &Member) -> Reason {
    if went_back(group, member) {
        Reason::Reverted
    } else {
        Reason::Resized
    }
}

/// Whether the service is again what it was before the instance's generation.
fn went_back(group: &Group, member: &Member) -> bool {
    let as_before = |past: &crate::intent::Past| {
        past.generation < member.seen.generation && past.spec.makes_same(&group.service.spec)
    };
    group.service.history.iter().any(as_before)
}

/// Ends outgoing instances as far as enough ready ones stay.
pub(super) fn replace(group: &mut Group, draft: &mut Draft) {
    let mut outgoing: Vec<usize> = (0..group.members.len())
        .filter(|index| group.members.get(*index).is_some_and(is_replaceable))
        .collect();
    if outgoing.is_empty() {
        return;
    }
    wake_when_proven(group, draft);
    // What serves nobody goes first, then what its node cannot keep, then the oldest.
    outgoing.sort_by_cached_key(|index| {
        let member = group.members.get(*index)?;
        Some((
            counts_as_good(member),
            !member.leaving,
            member.seen.created_at,
            member.id,
        ))
    });
    let mut spare = Spare::of(group);
    for index in outgoing {
        let Some(member) = group.members.get(index) else {
            continue;
        };
        if spare.may_part_with(member) {
            let reason = reason(group, member);
            if let Some(member) = group.members.get_mut(index) {
                member.part_with(reason);
            }
        }
    }
}

/// Looks again when a ready instance has run long enough to be relied on.
fn wake_when_proven(group: &Group, draft: &mut Draft) {
    for member in group
        .members
        .iter()
        .filter(|member| member.ready && !member.good)
    {
        draft.wake(member.running_since() + PROVEN_AFTER);
    }
}

fn is_replaceable(member: &Member) -> bool {
    member.outgoing()
        && !matches!(member.fate, Fate::Stop(_) | Fate::Remove(_))
        && (member.can_stop() || member.is_down())
}

/// How many outgoing instances may go in one plan.
struct Spare {
    /// That are ready or done, where a replacement can come.
    good: u32,
    /// That are ready or done and only move between nodes.
    moving: u32,
    /// That are not ready.
    broken: u32,
}

impl Spare {
    fn of(group: &Group) -> Self {
        let limits = group.limits;
        let serving = group
            .count(|member| counts_as_good(member) && member.fate == Fate::Keep && !member.surplus);
        let blocked = !group.waits_for.is_empty();
        let least = if blocked {
            limits.wanted
        } else {
            limits.least_ready()
        };
        let floor = if group.no_room > 0 {
            limits.wanted
        } else {
            least
        };
        let alive = group.count(|member| {
            member.holds_place()
                && !member.surplus
                && !matches!(member.fate, Fate::Stop(_))
                && (member.can_stop() || member.is_down())
        });
        let unproven = group.count(|member| {
            member.incoming() && !member.surplus && member.holds_place() && !member.good
        });
        Self {
            good: serving.saturating_sub(least),
            moving: serving.saturating_sub(floor),
            broken: alive.saturating_sub(least).saturating_sub(unproven),
        }
    }

    fn may_part_with(&mut self, member: &Member) -> bool {
        if !counts_as_good(member) {
            let may = self.broken > 0;
            self.broken = self.broken.saturating_sub(1);
            return may;
        }
        let limit = if member.current {
            self.moving.min(self.good)
        } else {
            self.good
        };
        if limit == 0 {
            return false;
        }
        self.good = self.good.saturating_sub(1);
        self.moving = self.moving.saturating_sub(1);
        true
    }
}

/// New instances must prove themselves; old ones count while they are ready.
fn counts_as_good(member: &Member) -> bool {
    !member.lost && (member.good || (member.outgoing() && member.ready))
}

/// Whether the rollout finished, missed a deadline, or goes on.
pub(super) fn conclude(group: &Group, draft: &mut Draft) {
    if group.service.settled {
        return;
    }
    if is_complete(group) {
        match settles_at(group) {
            Some(at) if !held(at, SETTLE_HOLD, group.now) => draft.wake(at + SETTLE_HOLD),
            _ => draft.request(Request::Settle {
                service: group.key.clone(),
                generation: group.service.generation,
            }),
        }
        return;
    }
    wake_when_proven(group, draft);
    let Some(deadline) = deadline(group) else {
        return;
    };
    draft.wake(deadline);
    if deadline <= group.now {
        revert(group, draft);
    }
}

/// As many good instances as wanted, all of the current make, nothing else left.
fn is_complete(group: &Group) -> bool {
    let good = group.count(|member| member.incoming() && member.good && member.fate == Fate::Keep);
    let others = group.count(|member| !member.lost && !member.is_up_to_date());
    let extra = group.count(|member| member.surplus);
    good == group.limits.wanted && others == 0 && extra == 0
}

/// When the last of the instances began to run as it should.
fn settles_at(group: &Group) -> Option<Time> {
    let running = group
        .members
        .iter()
        .filter(|member| member.incoming() && member.ready);
    running.map(resize::sized_since).max()
}

fn revert(group: &Group, draft: &mut Draft) {
    let Some(stable) = &group.service.stable else {
        return;
    };
    if group.service.spec.update.auto_revert && !stable.spec.makes_same(&group.service.spec) {
        draft.request(Request::Revert {
            service: group.key.clone(),
            from: group.service.generation,
            to: stable.generation,
        });
    }
}

/// By when something must happen for the rollout to count as going well. Waiting for needs stops
/// the clock, it is not this rollout's fault.
pub(super) fn deadline(group: &Group) -> Option<Time> {
    if group.service.settled || !group.waits_for.is_empty() || is_complete(group) {
        return None;
    }
    let update = &group.service.spec.update;
    let incoming = || group.members.iter().filter(|member| member.incoming());
    let placed = incoming().map(|member| member.seen.created_at);
    let ready = incoming()
        .filter(|member| member.ready)
        .map(Member::running_since);
    let progress = placed
        .chain(ready)
        .chain([group.service.changed_at])
        .max()?;
    let progress = if group.placed > 0 {
        group.now
    } else {
        progress
    };
    let healthy = incoming()
        .filter(|member| !member.good)
        .filter_map(unready_since)
        // What was not ready before cannot be held against this generation.
        .map(|since| since.max(group.service.changed_at))
        .min()
        .map(|since| since + update.healthy_deadline);
    healthy
        .into_iter()
        .chain([progress + update.progress_deadline])
        .min()
}

/// Since when an instance has not been ready. A running one whose probes have not answered yet is
/// not held against the rollout: after a restart of the daemon none has.
fn unready_since(member: &Member) -> Option<Time> {
    if let Some(began) = backoff::streak_began(member.seen, &member.spec.restart)
        && member.failures > 0
    {
        return Some(began);
    }
    if member.can_stop() && member.seen.phase == crate::observed::Phase::Running {
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
