//! Too many instances and too few.

use std::collections::HashMap;

use super::{
    draft::Draft,
    exit::Verdict,
    group::{Fate, Group, Member},
    ids::IdMaker,
};
use crate::{
    id::{Generation, NodeName},
    observed::{Observed, Phase},
    rollout::Parts,
    schedule::{Reserve, Room},
    spec::ServiceSpec,
    step::{Reason, Step},
};

/// Parts with instances above the wanted count: the least useful and the youngest first.
pub(super) fn too_many(group: &mut Group) {
    let mut incoming: Vec<usize> = (0..group.members.len())
        .filter(|index| group.members.get(*index).is_some_and(Member::incoming))
        .collect();
    let most = usize::try_from(most_incoming(group)).unwrap_or(usize::MAX);
    if incoming.len() <= most {
        return;
    }
    incoming.sort_by_cached_key(|index| group.members.get(*index).map(worth));
    for index in incoming.into_iter().skip(most) {
        if let Some(member) = group.members.get_mut(index) {
            member.part_with(Reason::TooMany);
            member.surplus = true;
        }
    }
}

/// As many as wanted. What the rollout's stage does not want of these goes only as far as
/// enough others do well.
fn most_incoming(group: &Group) -> u32 {
    let wanted = group.limits.wanted;
    let above = group
        .count(|member| member.incoming())
        .min(wanted)
        .saturating_sub(group.stance.parts.new);
    if above == 0 {
        return wanted;
    }
    let good =
        group.count(|member| member.may_serve && (member.good || (member.stays && member.ready)));
    let spare = good.saturating_sub(wanted.max(1));
    group
        .count(|member| member.incoming())
        .min(wanted)
        .saturating_sub(above.min(spare))
}

/// Sorts instances by how much would be lost with them, most first.
fn worth<'a>(member: &Member<'a>) -> (u8, crate::time::Time, &'a crate::id::InstanceId) {
    let rank = match &member.seen.phase {
        _ if member.verdict == Verdict::Finished => 0,
        Phase::Running if member.fate != Fate::Keep => 3,
        Phase::Running if member.ready => 1,
        Phase::Running => 2,
        Phase::Starting => 4,
        Phase::Ended => 5,
        Phase::Failed { .. } => 6,
        Phase::Unknown => 7,
        Phase::Stopping => 8,
    };
    (rank, member.seen.created_at, member.id)
}

/// Places what is missing, as far as needs, the surge and the nodes allow: of the last good
/// generation what its rollout's stage wants to stay, then of the current one.
pub(super) fn too_few<'a>(
    group: &mut Group<'a>,
    room: &mut Room<'a>,
    observed: &'a Observed,
    draft: &mut Draft<'a>,
) {
    if !group.waits_for.is_empty() {
        return;
    }
    let holding = group.count(|member| member.holds_place());
    let allowed = group.limits.most(group.draining()).saturating_sub(holding);
    let Parts { new, old } = group.stance.parts;
    let there = group.count(|member| member.incoming() && !member.surplus && member.holds_place());
    let stay = group.count(|member| member.stays && member.holds_place());
    let mut missing_old = old.saturating_sub(stay).min(allowed);
    let missing_new = new.saturating_sub(there).min(allowed - missing_old);
    if let Some(stable) = group.service.stable.as_ref().filter(|_| missing_old > 0) {
        let batch = Batch {
            missing: missing_old,
            generation: stable.generation,
            spec: &stable.spec,
            reason: Reason::TooFew,
        };
        place(group, &batch, room, observed, draft);
    } else {
        missing_old = 0;
    }
    let missing = missing_new.min(allowed - missing_old);
    let batch = Batch {
        missing,
        generation: group.service.generation,
        spec: &group.service.spec,
        reason: why_few(group),
    };
    place(group, &batch, room, observed, draft);
}

fn why_few(group: &Group) -> Reason {
    if group.members.iter().any(|member| !member.current) {
        Reason::Replaced
    } else if group.draining() {
        Reason::NodeLeaving
    } else {
        Reason::TooFew
    }
}

/// Instances of one generation to place.
struct Batch<'s> {
    missing: u32,
    generation: Generation,
    spec: &'s ServiceSpec,
    reason: Reason,
}

fn place<'a>(
    group: &mut Group<'a>,
    batch: &Batch,
    room: &mut Room<'a>,
    observed: &'a Observed,
    draft: &mut Draft<'a>,
) {
    let (cpu, memory) = batch.spec.reserved();
    let mut siblings = siblings(group);
    let mut ids = IdMaker::new(group.key, batch.generation, group.now);
    for left in (1..=batch.missing).rev() {
        let Some(node) = room.take(Reserve { cpu, memory }, &siblings) else {
            group.no_room += left;
            return;
        };
        *siblings.entry(node).or_default() += 1;
        let unused = |id: &_| !observed.instances.contains_key(id);
        draft.place(Step::Place {
            instance: ids.next(unused),
            service: group.key.clone(),
            generation: batch.generation,
            node: node.clone(),
            reason: batch.reason,
        });
        group.placed += 1;
    }
}

/// How many of the service's instances each node has.
fn siblings<'a>(group: &Group<'a>) -> HashMap<&'a NodeName, u32> {
    let mut counts = HashMap::new();
    for member in group.members.iter().filter(|member| member.holds_place()) {
        *counts.entry(&member.seen.node).or_default() += 1;
    }
    counts
}
