//! Replacing instances: of earlier generations, and on nodes that are being emptied. When a rollout
//! goes on or back is in `progress`.
//!
//! Placing is limited by the surge, stopping by how many must stay ready. Ready instances of the
//! old generation are never taken below that; broken ones go first. While a new generation
//! crash-loops, the old one keeps serving.

use super::{
    PROVEN_AFTER, asked,
    draft::Draft,
    exit::Verdict,
    group::{Fate, Group, Member},
};
use crate::step::Reason;

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
            // Of what the stage wants to stay, what fails is started again, not replaced.
            let useless = never_serves(member) && !(member.stays && group.stance.parts.old > 0);
            stopped_by_us(group, member) || useless || group.limits.wanted == 0
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
        .filter(|index| {
            let may = |member: &Member| group.stance.replaces || member.leaving;
            let member = group.members.get(*index);
            member.is_some_and(|member| is_replaceable(member) && may(member))
        })
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
pub(super) fn wake_when_proven(group: &Group, draft: &mut Draft) {
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
    /// That may take traffic now, whether that can be relied on or not.
    serving: u32,
    /// Of the last good generation, above what the rollout's stage wants to stay.
    staying: u32,
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
            serving: group
                .count(|member| may_take_traffic(member) && member.fate == Fate::Keep)
                .saturating_sub(least),
            staying: group
                .count(|member| member.stays && member.fate == Fate::Keep)
                .saturating_sub(group.stance.parts.old),
        }
    }

    fn may_part_with(&mut self, member: &Member) -> bool {
        if member.stays && self.staying == 0 {
            return false;
        }
        let serves = may_take_traffic(member);
        if serves && self.serving == 0 {
            return false;
        }
        let may = self.has_room_for(member);
        if may {
            self.staying = self.staying.saturating_sub(u32::from(member.stays));
            self.serving = self.serving.saturating_sub(u32::from(serves));
        }
        may
    }

    fn has_room_for(&mut self, member: &Member) -> bool {
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

fn may_take_traffic(member: &Member) -> bool {
    !member.lost && member.may_serve && (member.ready || member.good)
}

/// New instances must prove themselves, also when others take over from them; old ones count while
/// they are ready.
fn counts_as_good(member: &Member) -> bool {
    let serves = member.good || (member.outgoing() && member.ready && !member.unproven);
    !member.lost && member.may_serve && serves
}
