//! CPU of what runs follows the load in place, within the bounds of the manifest: no generation, nothing
//! stopped. Like a restart it brings what runs to what is wanted, so no call is made for it.
//!
//! Nothing shrinks while instances are being replaced: what their successors bear is not known yet.

use super::{
    draft::Draft,
    group::{Fate, Group, Member},
    share::{Shares, bearing},
};
use crate::{
    autoscale::size::{self, Need},
    observed::{Observed, Phase},
    schedule::{Reserve, Room},
    spec::FollowCpu,
    step::Step,
    time::Span,
    units::MilliCpu,
};

/// What follows is looked at this often: readings come as often.
const LOOKED_AT_EVERY: Span = Span::seconds(5);

/// Plans other CPU for the instances that should have it, as far as their nodes have room. Says what the service
/// needs, where that is known.
pub(super) fn decide<'a>(
    group: &Group<'a>,
    room: &mut Room<'a>,
    observed: &Observed,
    draft: &mut Draft<'a>,
) -> Option<Need> {
    let Some(follow) = group.service.spec.follow_cpu() else {
        give_back(group, room, draft);
        return None;
    };
    draft.wake(group.now + LOOKED_AT_EVERY);
    let has = bearing(group).map(|member| member.seen.cpu.0).sum();
    let load = observed.load.get(group.key);
    let Some(need) = size::need(follow, MilliCpu(has), load, group.now) else {
        keep_in_bounds(group, follow, room, draft);
        return None;
    };
    let moves = !group.service.settled || group.draining();
    let need = Need {
        sure: need.sure && !moves,
        ..need
    };
    let shares = Shares::of(group, observed, draft);
    let ready = group.members.iter().filter(|member| member.ready);
    for member in ready.filter(|member| may_change(member)) {
        let cpu = need.each(follow, shares.share(group, member), member.seen.cpu);
        give(member, cpu, follow.min, room, draft);
    }
    Some(need)
}

/// Nothing is known of the load: everyone keeps what it has, but for bounds that moved.
fn keep_in_bounds<'a>(
    group: &Group<'a>,
    follow: &FollowCpu,
    room: &mut Room<'a>,
    draft: &mut Draft<'a>,
) {
    for member in group.members.iter().filter(|member| may_change(member)) {
        let cpu = member.seen.cpu.clamp(follow.min, follow.max);
        give(member, cpu, follow.min, room, draft);
    }
}

/// Nothing is to follow any more: what did has again what its manifest says.
fn give_back<'a>(group: &Group<'a>, room: &mut Room<'a>, draft: &mut Draft<'a>) {
    // What a generation that is forgotten reserved, nobody knows.
    let known = |member: &&Member| group.service.spec_of(member.seen.generation).is_some();
    let other = |member: &&Member| member.seen.cpu != member.spec.reserved().0;
    let members = group.members.iter().filter(other).filter(known);
    let settled = |member: &&Member| may_change(member) && !member.takes_size();
    for member in members.filter(settled) {
        let cpu = member.spec.reserved().0;
        give(member, cpu, cpu, room, draft);
    }
}

/// Gives it so much, or as much of that as its node has, in whole hundredths, but no less than `least`.
fn give<'a>(
    member: &Member<'a>,
    cpu: MilliCpu,
    least: MilliCpu,
    room: &mut Room<'a>,
    draft: &mut Draft<'a>,
) {
    let seen = member.seen;
    let reserves = |cpu| Reserve {
        cpu,
        memory: seen.memory,
    };
    let most = seen.cpu.0.saturating_add(room.spare_cpu(&seen.node).0) / 10 * 10;
    let cpu = MilliCpu(cpu.0.min(most.max(seen.cpu.0)));
    let other = cpu != seen.cpu && cpu >= least;
    if other && room.grow(&seen.node, reserves(seen.cpu), reserves(cpu)) {
        draft.resize(Step::Follow {
            instance: member.id.clone(),
            cpu,
        });
    }
}

/// Whether nothing else is done to it by this plan.
fn may_change(member: &Member) -> bool {
    member.seen.phase == Phase::Running
        && member.fate == Fate::Keep
        && !member.lost
        && !member.resize
}
