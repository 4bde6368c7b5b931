//! Restarts that someone asked for: a few at a time, so that the rest keeps serving.

use super::group::{Fate, Group, Member};
use crate::{observed::Phase, step::Reason, time::Time};

/// Stops instances that were started before the asked moment. What does not serve anyway goes at
/// once; of the others at most `max(1, maxUnavailable)` are away at a time, and one that does not
/// come back holds the rest.
pub(super) fn restart(group: &mut Group) {
    let asked = &group.service.restart_after;
    if asked.is_empty() {
        return;
    }
    let away =
        group.count(|member| asked.contains_key(member.id) && !member.serves() && !member.lost);
    let replacing = |fate| {
        let replaced = [Reason::Replaced, Reason::Reverted, Reason::NodeLeaving];
        replaced.map(Fate::Stop).contains(&fate)
    };
    let busy = group
        .members
        .iter()
        .any(|member| member.ready && replacing(member.fate));
    let spare = group.limits.unavailable.max(1).saturating_sub(away);
    // What a rollout ends in this plan is away too; the restart's turn comes after it.
    let mut spare = if busy { 0 } else { spare };
    for member in &mut group.members {
        let due = asked
            .get(member.id)
            .is_some_and(|at| is_due(member, *at, group.now));
        if !due || member.fate != Fate::Keep || member.seen.phase != Phase::Running {
            continue;
        }
        if !member.ready {
            member.fate = Fate::Stop(Reason::Asked);
        } else if spare > 0 {
            spare -= 1;
            member.fate = Fate::Stop(Reason::Asked);
        }
    }
}

/// Whether an instance still has an asked restart ahead of it.
pub(super) fn is_pending(group: &Group, member: &Member) -> bool {
    group
        .service
        .restart_after
        .get(member.id)
        .is_some_and(|at| is_due(member, *at, group.now))
}

/// A request that lies ahead means that the clock jumped back: it waits until it is past again,
/// or every new start would be "before" it.
fn is_due(member: &Member, asked_at: Time, now: Time) -> bool {
    asked_at <= now && member.running_since() < asked_at
}
