//! Other requests and limits for what runs, in place: nothing is stopped for them.
//!
//! An instance whose generation differs from the current one in resources only is kept: running, it
//! is resized; ended, it gets the new resources with its next start. It is replaced by the usual
//! rollout where its backend cannot resize, where its node has no room for what it would reserve but
//! another has, or where it fails again and again. A limit that falls may hurt, so that is done to a
//! few at a time, the next when those before have proved themselves; all else to all at once.

use super::{
    PROVEN_AFTER, RESIZE_AGAIN,
    draft::Draft,
    exit::Verdict,
    group::{Fate, Group, Member, held},
};
use crate::{
    id::Generation,
    observed::{Exit, Phase, ResizeTrouble},
    schedule::{Reserve, Room},
    spec::{Likeness, Resources},
    time::Time,
};

/// Says whether an instance is as the current generation makes it, or can become so where it is.
pub(super) fn classify(member: &mut Member, likeness: Option<Likeness>, current: Generation) {
    (member.current, member.sized) = match likeness {
        Some(Likeness::Same) => (true, true),
        // What has done its work needs no resources any more.
        Some(Likeness::OtherSize) if has_succeeded(member) => (true, true),
        Some(Likeness::OtherSize) => (can_become(member, current), false),
        Some(Likeness::Other) | None => (false, false),
    };
}

fn has_succeeded(member: &Member) -> bool {
    let last = member.seen.exits.last();
    member.verdict == Verdict::Finished && last.is_some_and(Exit::is_success)
}

/// What failed for good, or fails again and again, starts anew with other resources, and so without its back-off.
fn can_become(member: &Member, current: Generation) -> bool {
    let trouble = trouble(member, current).map(|(trouble, _)| trouble);
    let failed =
        matches!(member.seen.phase, Phase::Failed { .. }) || member.verdict == Verdict::Finished;
    !failed && !member.crash_loops() && trouble != Some(ResizeTrouble::Unsupported)
}

/// Why the last try at the current generation's resources failed, and when.
fn trouble(member: &Member, current: Generation) -> Option<(ResizeTrouble, Time)> {
    let last = member.seen.resize.filter(|last| last.to == current)?;
    Some((last.trouble?, last.at))
}

/// Takes room for what will reserve more where it is. Without room there it moves, if another node
/// has room; else it stays as it is, until there is some or the rollout goes back.
pub(super) fn fit(group: &mut Group, room: &mut Room) {
    if group.limits.wanted == 0 {
        return;
    }
    let (cpu, memory) = group.service.spec.reserved();
    let follows = group.service.spec.follows_cpu();
    for member in group
        .members
        .iter_mut()
        .filter(|member| member.takes_size())
    {
        // Where CPU follows, what runs keeps what it has of that.
        let keeps = follows && member.seen.phase == Phase::Running;
        let cpu = if keeps { member.seen.cpu } else { cpu };
        let to = Reserve { cpu, memory };
        let from = Reserve {
            cpu: member.seen.cpu,
            memory: member.seen.memory,
        };
        if room.grow(&member.seen.node, from, to) {
            continue;
        }
        member.current = !room.has(to);
        member.size_trouble = Some(ResizeTrouble::NoRoom);
    }
}

/// Decides who is resized now.
pub(super) fn decide(group: &mut Group, draft: &mut Draft) {
    let current = group.service.generation;
    let mut tightened = tightened_lately(group, draft);
    let most = group.limits.unavailable.max(1);
    let follows = group.service.spec.follows_cpu();
    for member in &mut group.members {
        let due = member.takes_size()
            && member.size_trouble.is_none()
            && member.seen.phase == Phase::Running
            && member.fate == Fate::Keep;
        if !due {
            continue;
        }
        if let Some((trouble, at)) = trouble(member, current)
            && !held(at, RESIZE_AGAIN, group.now)
        {
            member.size_trouble = Some(trouble);
            draft.wake(at + RESIZE_AGAIN);
            continue;
        }
        let to = &group.service.spec.resources;
        let sized = |resources: &Resources| match follows {
            true => resources.with_cpu(member.seen.cpu),
            false => *resources,
        };
        if sized(&member.spec.resources).is_tightened_by(&sized(to)) {
            if tightened >= most {
                continue;
            }
            tightened += 1;
        }
        member.resize = true;
    }
}

/// How many have the new resources and have not proved themselves with them yet.
fn tightened_lately(group: &Group, draft: &mut Draft) -> u32 {
    let waiting = group.members.iter().any(Member::takes_size);
    if !waiting {
        return 0;
    }
    let current = group.service.generation;
    let fresh = |member: &&Member| member.seen.generation == current && !member.lost;
    let mut count = 0;
    for member in group.members.iter().filter(fresh) {
        let since = sized_since(member);
        if !member.good || !held(since, PROVEN_AFTER, group.now) {
            count += 1;
            draft.wake(since + PROVEN_AFTER);
        }
    }
    count
}

/// Since when it runs with the resources that it has.
pub(super) fn sized_since(member: &Member) -> Time {
    let resized = member.seen.resize.and_then(|last| last.done_at());
    let started = member.running_since();
    resized.map_or(started, |resized| resized.max(started))
}
