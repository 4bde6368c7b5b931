//! What a rollout's stage means for instances: how many of the new generation there may be, which
//! of the last good one stay, who may get traffic. While it is held, nothing new comes and nothing
//! goes; what is missing then comes from the last good generation.

use std::collections::HashMap;

use super::group::{Group, Member};
use crate::{
    id::Generation,
    intent::Past,
    rollout::{Parts, Stage},
};

/// What a rollout's stage wants of the instances at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stance {
    /// Most incoming instances, and least of the last good generation's that stay.
    pub parts: Parts,
    /// Whether instances may be replaced now.
    pub replaces: bool,
}

/// Works out the stance, and marks who stays and who may serve.
pub(super) fn take(group: &mut Group) {
    mark_members(group);
    group.stance = of(group);
}

fn mark_members(group: &mut Group) {
    let service = group.service;
    let other = |member: &Member| member.seen.generation != service.generation;
    if !group.members.iter().any(other) && service.stage() != Stage::Preview {
        return;
    }
    let like_stable = |stable: &Past, generation: Generation| {
        let own = service.spec_of(generation);
        own.is_some_and(|own| own.makes_same(&stable.spec))
    };
    let mut known: HashMap<Generation, (bool, bool)> = HashMap::new();
    for member in &mut group.members {
        let generation = member.seen.generation;
        let (good_once, may_serve) = *known.entry(generation).or_insert_with(|| {
            let stable = service.stable.as_ref();
            let good_once = stable.is_some_and(|stable| like_stable(stable, generation));
            (good_once, service.may_serve(generation))
        });
        member.may_serve = may_serve;
        member.unproven = service.stable.is_some() && !good_once && !member.current;
        member.stays = good_once && !member.current && !member.leaving && !member.lost;
    }
    keep_out_of_traffic(group);
}

/// After a promotion the old generation is kept without traffic, unless the new one cannot serve.
fn keep_out_of_traffic(group: &mut Group) {
    let new_serves = |member: &Member| member.current && member.ready && !member.lost;
    if group.service.stage() == Stage::Promoted && group.members.iter().any(new_serves) {
        for member in group.members.iter_mut().filter(|member| !member.current) {
            member.may_serve = false;
        }
    }
}

fn of(group: &Group) -> Stance {
    let service = group.service;
    let mut parts = service.parts();
    let wanted = group.limits.wanted;
    let there = group.count(|member| member.incoming()).min(wanted);
    let paused = service.paused().is_some();
    let waits = !group.in_turn_after.is_empty();
    let stage = service.stage();
    if waits || (paused && stage == Stage::Rolling) {
        let old = if service.rolls_out() {
            parts.old.max(wanted.saturating_sub(there))
        } else {
            0
        };
        parts = Parts { new: there, old };
    }
    if stage == Stage::Recreate {
        parts = recreate(group, parts, there, waits || paused);
    }
    let held = paused && matches!(stage, Stage::Rolling | Stage::Recreate);
    Stance {
        parts,
        replaces: !waits && !held,
    }
}

/// The new generation waits until nothing of another runs.
fn recreate(group: &Group, parts: Parts, there: u32, held: bool) -> Parts {
    let of_another = |member: &Member| !member.current && !member.lost && !member.is_down();
    let runs = group.members.iter().any(of_another);
    let new = if runs || held { there } else { parts.new };
    Parts { new, old: 0 }
}

/// Whether all that the stage wants is there and does well, and nothing that it does not want.
pub(super) fn is_reached(group: &Group) -> bool {
    use super::group::Fate;
    let good = group.count(|member| member.incoming() && member.good && member.fate == Fate::Keep);
    let stays = group.count(|member| member.stays);
    let others = group.count(|member| !member.lost && !member.is_up_to_date() && !member.stays);
    let extra = group.count(|member| member.surplus);
    good == group.stance.parts.new && stays <= group.stance.parts.old && others == 0 && extra == 0
}
