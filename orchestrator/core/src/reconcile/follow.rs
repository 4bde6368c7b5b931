//! CPU of what runs follows the load in place, within the bounds of the manifest: no generation, nothing
//! stopped. Like a restart it brings what runs to what is wanted, so no call is made for it.
//!
//! Nothing shrinks while instances are being replaced: what their successors bear is not known yet.

use super::{
    draft::Draft,
    group::{Fate, Group, Member, held},
};
use crate::{
    autoscale::size::{self, Need, WARM_AFTER},
    observed::{Observed, Phase},
    schedule::{Reserve, Room},
    step::Step,
    units::MilliCpu,
};

/// Plans other CPU for the instances that should have it, as far as their nodes have room. Says what the service
/// needs, where that is known.
pub(super) fn decide<'a>(
    group: &Group<'a>,
    room: &mut Room<'a>,
    observed: &Observed,
    draft: &mut Draft<'a>,
) -> Option<Need> {
    let scaling = group.service.spec.scaling.as_ref();
    let Some(follow) = scaling.and_then(|scaling| scaling.cpu.as_ref()) else {
        give_back(group, room, draft);
        return None;
    };
    let ready = || group.members.iter().filter(|member| is_ready(member));
    let has = ready().map(|member| member.seen.cpu.0).sum();
    let need = size::need(
        follow,
        MilliCpu(has),
        observed.load.get(group.key),
        group.now,
    )?;
    let moves = !group.service.settled || group.draining();
    let need = Need {
        sure: need.sure && !moves,
        ..need
    };
    let worth = worth(group, draft);
    for member in ready().filter(|member| may_change(member)) {
        let cpu = need.each(follow, worth, member.seen.cpu);
        give(member, cpu, room, draft);
    }
    Some(need)
}

/// Nothing is to follow any more: what did has again what its manifest says.
fn give_back<'a>(group: &Group<'a>, room: &mut Room<'a>, draft: &mut Draft<'a>) {
    // What a generation that is forgotten reserved, nobody knows.
    let known = |member: &&Member| group.service.spec_of(member.seen.generation).is_some();
    let members = group.members.iter().filter(known);
    for member in members.filter(|member| may_change(member)) {
        give(member, member.spec.reserved().0, room, draft);
    }
}

fn give<'a>(member: &Member<'a>, cpu: MilliCpu, room: &mut Room<'a>, draft: &mut Draft<'a>) {
    let seen = member.seen;
    let reserves = |cpu| Reserve {
        cpu,
        memory: seen.memory,
    };
    if cpu != seen.cpu && room.grow(&seen.node, reserves(seen.cpu), reserves(cpu)) {
        draft.resize(Step::Follow {
            instance: member.id.clone(),
            cpu,
        });
    }
}

fn is_ready(member: &Member) -> bool {
    member.ready && member.seen.phase == Phase::Running && member.fate == Fate::Keep
}

/// Whether nothing else is done to it by this plan, and it has its own generation's size.
fn may_change(member: &Member) -> bool {
    member.seen.phase == Phase::Running
        && member.fate == Fate::Keep
        && !member.lost
        && !member.takes_size()
        && !member.resize
}

/// How many share: those that are ready, cold ones as half of one. Where all are cold, each is one.
fn worth(group: &Group, draft: &mut Draft) -> f64 {
    let (mut warm, mut cold) = (0, 0);
    for member in group.members.iter().filter(|member| is_ready(member)) {
        let since = member.running_since();
        if held(since, WARM_AFTER, group.now) {
            warm += 1;
        } else {
            cold += 1;
            draft.wake(since + WARM_AFTER);
        }
    }
    let half = if warm == 0 { 1.0 } else { 0.5 };
    f64::from(warm) + f64::from(cold) * half
}
