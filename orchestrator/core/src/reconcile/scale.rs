//! Too many instances and too few.

use std::collections::HashMap;

use super::{
    draft::Draft,
    exit::Verdict,
    group::{Fate, Group, Member},
    ids::IdMaker,
};
use crate::{
    id::NodeName,
    observed::{Observed, Phase},
    schedule::{Reserve, Room},
    step::{Reason, Step},
};

/// Parts with instances above the wanted count: the least useful and the youngest first.
pub(super) fn too_many(group: &mut Group) {
    let mut incoming: Vec<usize> = (0..group.members.len())
        .filter(|index| group.members.get(*index).is_some_and(Member::incoming))
        .collect();
    let wanted = usize::try_from(group.limits.wanted).unwrap_or(usize::MAX);
    if incoming.len() <= wanted {
        return;
    }
    incoming.sort_by_cached_key(|index| group.members.get(*index).map(worth));
    for index in incoming.into_iter().skip(wanted) {
        if let Some(member) = group.members.get_mut(index) {
            member.part_with(Reason::TooMany);
            member.surplus = true;
        }
    }
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

/// Places what is missing, as far as needs, the surge and the nodes allow.
pub(super) fn too_few<'a>(
    group: &mut Group<'a>,
    room: &mut Room<'a>,
    observed: &'a Observed,
    draft: &mut Draft<'a>,
) {
    let there = group.count(|member| member.incoming() && !member.surplus && member.holds_place());
    let holding = group.count(|member| member.holds_place());
    let allowed = group.limits.most(group.draining()).saturating_sub(holding);
    let missing = group.limits.wanted.saturating_sub(there).min(allowed);
    if missing == 0 || !group.waits_for.is_empty() {
        return;
    }
    let (cpu, memory) = group.service.spec.reserved();
    let mut siblings = siblings(group);
    let mut ids = IdMaker::new(group.key, group.service.generation, group.now);
    let reason = if group.draining() {
        Reason::NodeLeaving
    } else {
        Reason::TooFew
    };
    let reason = if group.members.iter().any(|member| !member.current) {
        Reason::Replaced
    } else {
        reason
    };
    for left in (1..=missing).rev() {
        let Some(node) = room.take(Reserve { cpu, memory }, &siblings) else {
            group.no_room = left;
            return;
        };
        *siblings.entry(node).or_default() += 1;
        let unused = |id: &_| !observed.instances.contains_key(id);
        draft.place(Step::Place {
            instance: ids.next(unused),
            service: group.key.clone(),
            generation: group.service.generation,
            node: node.clone(),
            reason,
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
