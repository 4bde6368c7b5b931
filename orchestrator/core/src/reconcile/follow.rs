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
    spec::FollowCpu,
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
    let follow = group.service.spec.scaling.as_ref()?.cpu.as_ref()?;
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
    for member in ready().filter(|member| !member.takes_size() && !member.resize) {
        give(member, &need, follow, worth, room, draft);
    }
    Some(need)
}

fn give<'a>(
    member: &Member<'a>,
    need: &Need,
    follow: &FollowCpu,
    worth: f64,
    room: &mut Room<'a>,
    draft: &mut Draft<'a>,
) {
    let seen = member.seen;
    let cpu = need.each(follow, worth, seen.cpu);
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
