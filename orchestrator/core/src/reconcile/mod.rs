//! From what is wanted and what was seen to what to do: the heart, pure and level-triggered.
//!
//! The same intent, observation and moment give the same plan; nothing is remembered between two
//! calls. Carrying a plan out and asking again leads, step by step, to a plan without steps.
//!
//! One service is decided at a time, needed services first, by rules in this order: who is out of
//! turn or lost (`group`), what ended (`exit`), who can be resized in place (`resize`), too many (`scale`), dead weight of earlier
//! generations (`rollout`), too few (`scale`, `needs`), replacing (`rollout`, `drain`), restarts
//! that someone asked for (`asked`), traffic (`route`), what a new version does with its part (`judged`), load (`autoscale`), and how it all stands (`report`).
//!
//! Steps are ordered so that traffic leaves before an instance is stopped: routes, stops,
//! removals, resizes, restarts, placements. Whoever carries steps out must show a placed instance as
//! starting in the next observation, or it will be placed again.

mod asked;
mod autoscale;
mod draft;
mod drain;
pub mod exit;
mod follow;
mod group;
mod ids;
mod judged;
mod needs;
mod progress;
mod report;
mod resize;
mod rollout;
mod route;
mod scale;
mod share;
mod stance;
mod takeover;

use crate::{
    graph::Graph,
    id::{InstanceId, ServiceKey},
    intent::{Intent, Service},
    observed::{InstanceSeen, Observed, Phase},
    plan::Plan,
    rollout::Stage,
    schedule::{Reserve, Room},
    step::{Reason, Step},
    time::{Span, Time},
};

use draft::Draft;
use group::{Fate, Group};

/// An instance whose node has not answered for this long is replaced elsewhere.
pub const UNKNOWN_PATIENCE: Span = Span::seconds(60);
/// A replacement that is ready is relied on once it has been running for this long; before, nothing
/// is ended on its account (Nomad: `min_healthy_time`).
pub const PROVEN_AFTER: Span = Span::seconds(5);
/// A rollout has finished when all was as wanted for this long.
pub const SETTLE_HOLD: Span = Span::seconds(10);
/// While a new version is judged by its traffic, it is looked at again after this.
pub const LOOK_AGAIN: Span = Span::seconds(10);
/// The same while it has all the traffic.
pub const LOOK_SOON: Span = Span::seconds(2);
/// A resize in place that was refused is tried again after this.
pub const RESIZE_AGAIN: Span = Span::seconds(10);
/// An instance that runs but is not ready for longer than this makes its service degraded or down.
pub const NOT_READY_PATIENCE: Span = Span::seconds(15);

/// Decides what to do now. See the module for the order of rules.
pub fn reconcile(intent: &Intent, observed: &Observed, now: Time) -> Plan {
    let graph = Graph::of(intent);
    let mut fleet = group::by_service(intent, observed);
    let turn = drain::in_turn(intent, &graph, &fleet.services);
    let standing = needs::standing(intent, &fleet.services, now);
    let mut room = Room::of(intent, observed);
    let mut draft = Draft::new(now);
    let mut rolling = Keys::new();
    for key in graph.start_order() {
        let Some(service) = intent.services.get(key) else {
            continue;
        };
        let members = fleet.services.remove(key).unwrap_or_default();
        let leaving = if turn.contains(key) {
            Some(&intent.draining)
        } else {
            None
        };
        let mut group = Group::new(key, service, members, leaving, now);
        group.waits_for = needs::unmet(key, service, &standing);
        group.in_turn_after = needs::earlier(key, intent, &rolling);
        decide(&mut group, &mut room, observed, &mut draft);
        if progress::is_under_way(&group) {
            rolling.insert(key);
        }
    }
    for (id, seen) in fleet.orphans {
        leave(id, seen, &mut draft);
    }
    route::unknown(intent, observed, &mut draft);
    draft.finish()
}

/// Applies the rules to one service.
fn decide<'a>(
    group: &mut Group<'a>,
    room: &mut Room<'a>,
    observed: &'a Observed,
    draft: &mut Draft<'a>,
) {
    exit::restart_ended(group, draft);
    resize::fit(group, room);
    stance::take(group);
    scale::too_many(group);
    rollout::clear_dead(group);
    give_back(group, room);
    scale::too_few(group, room, observed, draft);
    rollout::replace(group, draft);
    asked::restart(group);
    resize::decide(group, draft);
    let need = follow::decide(group, room, observed, draft);
    carry(group, draft);
    route::decide(group, observed, draft);
    group.judged = judged::judge(group, observed);
    progress::conclude(group, draft);
    autoscale::follow(group, observed, need, draft);
    report::write(group, draft);
}

/// Room of instances that this plan takes away can be used by this plan.
fn give_back(group: &Group, room: &mut Room) {
    for member in &group.members {
        if matches!(member.fate, Fate::Remove(_)) {
            let reserve = Reserve {
                cpu: member.seen.cpu,
                memory: member.seen.memory,
            };
            room.release(&member.seen.node, reserve);
        }
    }
}

/// Turns each member's fate into a step.
fn carry<'a>(group: &Group<'a>, draft: &mut Draft<'a>) {
    let current = group.service.generation;
    for member in &group.members {
        let instance = member.id.clone();
        match member.fate {
            Fate::Keep if member.resize => draft.resize(Step::Resize {
                instance,
                generation: current,
                reason: rollout::reason_to_resize(group, member),
            }),
            Fate::Keep => {}
            Fate::Stop(reason) => draft.stop(Step::Stop { instance, reason }),
            Fate::Remove(reason) => draft.remove(Step::Remove { instance, reason }),
            Fate::Restart(reason) => {
                let attempt = member.seen.attempt.saturating_add(1);
                let takes_size = member.takes_size() && member.size_trouble.is_none();
                draft.restart(Step::Restart {
                    instance,
                    attempt,
                    generation: takes_size.then_some(current),
                    reason,
                });
            }
        }
    }
}

/// An instance of a service that nobody wants any more: stopped, then taken away.
fn leave(id: &InstanceId, seen: &InstanceSeen, draft: &mut Draft) {
    let (instance, reason) = (id.clone(), Reason::Deleted);
    match seen.phase {
        Phase::Starting | Phase::Running => draft.stop(Step::Stop { instance, reason }),
        Phase::Ended | Phase::Failed { .. } => draft.remove(Step::Remove { instance, reason }),
        Phase::Stopping | Phase::Unknown => {}
    }
}

/// Most instances that a service may have while it is replaced, and fewest that must be ready.
#[must_use]
pub fn limits(service: &Service) -> Limits {
    let wanted = service.replicas;
    let mut surge = service.spec.update.max_surge.of_rounded_up(wanted);
    let mut unavailable = service.spec.update.max_unavailable.of_rounded_down(wanted);
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    match service.stage() {
        Stage::Rolling => {}
        Stage::Recreate => (surge, unavailable) = (0, wanted),
        Stage::Canary { .. } | Stage::Preview | Stage::Promoted => {
            let parts = service.parts();
            surge = surge.max(parts.new.saturating_add(parts.old).saturating_sub(wanted));
        }
    }
    Limits {
        wanted,
        surge,
        unavailable: unavailable.min(wanted),
    }
}

/// A service's bounds while instances are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wanted instances.
    pub wanted: u32,
    /// Above that while replacing.
    pub surge: u32,
    /// Below that while replacing. If both came out as zero, one may be missing.
    pub unavailable: u32,
}

impl Limits {
    /// Fewest ready instances that replacing may leave.
    #[must_use]
    pub fn least_ready(self) -> u32 {
        self.wanted.saturating_sub(self.unavailable)
    }

    /// Most instances that placing may lead to; a drain may always add one.
    #[must_use]
    pub fn most(self, draining: bool) -> u32 {
        let surge = if draining {
            self.surge.max(1)
        } else {
            self.surge
        };
        self.wanted.saturating_add(surge)
    }
}

/// Whether an instance on a node that no longer answers is given up.
#[must_use]
pub fn is_lost(seen: &InstanceSeen, now: Time) -> bool {
    seen.phase == Phase::Unknown && now.since(seen.since) >= UNKNOWN_PATIENCE
}

/// The keys that a plan speaks of must outlive it; this names the lifetime once.
type Keys<'a> = std::collections::HashSet<&'a ServiceKey>;
