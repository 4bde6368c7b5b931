//! Invariants that every plan must keep, checked apart from the code that makes plans.
//!
//! A plan that breaks one is not carried out. The numbers are stable; people and tests cite them.

mod room;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{Generation, InstanceId, NodeName, ServiceKey},
    intent::{Intent, Service},
    observed::{InstanceSeen, Observed, Phase},
    plan::{Plan, Request},
    reconcile::{
        exit::{Verdict, judge},
        limits,
    },
    schedule::takes_instances,
    spec::Likeness,
    step::{Reason, Step},
    time::Time,
    units::MilliCpu,
};

/// The invariants, by number.
pub const INVARIANTS: [(u8, &str); 14] = [
    (
        1,
        "an instance is only placed for a wanted service, from its current generation, or while that rolls out from the last good one",
    ),
    (
        2,
        "placing never leads to more instances than wanted plus surge (one more while draining)",
    ),
    (
        3,
        "replacing never leaves fewer ready instances than wanted minus unavailable",
    ),
    (4, "at most one thing is done to an instance"),
    (
        5,
        "an instance is only placed on a node that is ready and takes new ones",
    ),
    (
        6,
        "neither placing nor growing in place reserves more than a node has",
    ),
    (
        7,
        "only an ended or failed instance of a wanted service is restarted, as its next attempt",
    ),
    (8, "only an ended or failed instance is taken away"),
    (
        9,
        "traffic only goes to ready instances of that service which the plan leaves alone and its rollout lets serve",
    ),
    (10, "a new instance has an id that is not in use"),
    (11, "only an instance that starts or runs is stopped"),
    (12, "only the current generation is settled or left"),
    (
        13,
        "only a running instance of a wanted service is resized, to the current generation, which differs in resources only",
    ),
    (
        14,
        "only a running instance is given other CPU: within the bounds in which that is to follow the load, else what its generation says",
    ),
];

/// An invariant that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("I{number}: {words}")]
pub struct Violation {
    /// Which invariant, see [`INVARIANTS`].
    pub number: u8,
    /// How it is broken.
    pub words: String,
}

/// Checks a plan against what it was made from. Empty means that it may be carried out.
#[must_use]
pub fn check(intent: &Intent, observed: &Observed, plan: &Plan) -> Vec<Violation> {
    let mut check = Check {
        intent,
        observed,
        found: Vec::new(),
    };
    let parted = check.steps(plan);
    check.counts(plan, &parted);
    check.routes(plan, &parted);
    check.capacity(plan, &parted);
    check.requests(plan);
    check.found
}

struct Check<'a> {
    intent: &'a Intent,
    observed: &'a Observed,
    found: Vec<Violation>,
}

/// Instances that a plan stops or takes away, each with the reason.
type Parted<'a> = BTreeMap<&'a InstanceId, Reason>;

impl<'a> Check<'a> {
    fn demand(&mut self, fine: bool, number: u8, words: impl FnOnce() -> String) {
        if !fine {
            self.found.push(Violation {
                number,
                words: words(),
            });
        }
    }

    /// Each step by itself (1, 4, 5, 7, 8, 10, 11, 13, 14).
    fn steps(&mut self, plan: &'a Plan) -> Parted<'a> {
        let mut touched = BTreeSet::new();
        let mut parted = Parted::new();
        for step in &plan.steps {
            let Some(id) = step.instance() else { continue };
            self.demand(touched.insert(id), 4, || format!("`{id}` is touched twice"));
            let seen = self.observed.instances.get(id);
            match step {
                Step::Place { node, .. } => self.place(id, step, node),
                Step::Restart {
                    attempt,
                    generation,
                    ..
                } => self.restart(id, seen, *attempt, *generation),
                Step::Resize { generation, .. } => self.resize(id, seen, *generation),
                Step::Follow { cpu, .. } => self.follow(id, seen, *cpu),
                Step::Stop { reason, .. } => {
                    let fine = seen
                        .is_some_and(|seen| matches!(seen.phase, Phase::Starting | Phase::Running));
                    self.demand(fine, 11, || format!("`{id}` is stopped but does not run"));
                    parted.insert(id, *reason);
                }
                Step::Remove { reason, .. } => {
                    let fine = seen.is_some_and(is_down);
                    self.demand(fine, 8, || {
                        format!("`{id}` is taken away but has not ended")
                    });
                    parted.insert(id, *reason);
                }
                Step::Route { .. } => {}
            }
        }
        parted
    }

    fn place(&mut self, id: &InstanceId, step: &Step, node: &NodeName) {
        let Step::Place {
            service,
            generation,
            ..
        } = step
        else {
            return;
        };
        let wanted = self.intent.services.get(service);
        let fine =
            wanted.is_some_and(|wanted| wanted.replicas > 0 && is_placed(wanted, *generation));
        self.demand(fine, 1, || {
            format!("`{id}` of `{service}` generation {generation} is not wanted")
        });
        let open = self.observed.nodes.get(node);
        let fine = open.is_some_and(|seen| takes_instances(self.intent, node, seen));
        self.demand(fine, 5, || {
            format!("`{id}` is placed on `{node}`, which takes no instances")
        });
        let fine = !self.observed.instances.contains_key(id);
        self.demand(fine, 10, || format!("`{id}` is in use already"));
    }

    /// Whether an instance can get that generation's resources (13).
    fn takes_size(&self, seen: &InstanceSeen, generation: Generation) -> bool {
        let service = self.intent.services.get(&seen.service);
        service.is_some_and(|service| {
            let own = service.spec_of(seen.generation);
            service.replicas > 0
                && service.generation == generation
                && own.is_some_and(|own| own.likeness(&service.spec) == Likeness::OtherSize)
        })
    }

    fn resize(&mut self, id: &InstanceId, seen: Option<&InstanceSeen>, generation: Generation) {
        let fine = seen
            .is_some_and(|seen| seen.phase == Phase::Running && self.takes_size(seen, generation));
        self.demand(fine, 13, || {
            format!("`{id}` cannot be resized in place to generation {generation}")
        });
    }

    /// CPU follows only where that is wanted, in what runs, within the bounds (14).
    fn follow(&mut self, id: &InstanceId, seen: Option<&InstanceSeen>, cpu: MilliCpu) {
        let fine = seen.is_some_and(|seen| {
            let service = self.intent.services.get(&seen.service);
            let follow = service.and_then(|service| service.spec.follow_cpu());
            let own = service.and_then(|service| service.spec_of(seen.generation));
            let wanted = match follow {
                Some(follow) => (follow.min..=follow.max).contains(&cpu),
                None => own.is_some_and(|own| own.reserved().0 == cpu),
            };
            seen.phase == Phase::Running && wanted
        });
        self.demand(fine, 14, || format!("`{id}` is not to have {cpu} of CPU"));
    }

    fn restart(
        &mut self,
        id: &InstanceId,
        seen: Option<&InstanceSeen>,
        attempt: u32,
        generation: Option<Generation>,
    ) {
        let fine = generation
            .is_none_or(|generation| seen.is_some_and(|seen| self.takes_size(seen, generation)));
        self.demand(fine, 13, || {
            format!("`{id}` cannot be restarted with other resources")
        });
        let wanted = |seen: &InstanceSeen| {
            self.intent
                .services
                .get(&seen.service)
                .is_some_and(|service| service.replicas > 0)
        };
        let fine = seen.is_some_and(|seen| {
            is_down(seen) && attempt == seen.attempt.saturating_add(1) && wanted(seen)
        });
        self.demand(fine, 7, || {
            format!("`{id}` cannot be restarted as attempt {attempt}")
        });
    }

    /// Services as a whole (2, 3).
    fn counts(&mut self, plan: &Plan, parted: &Parted) {
        let mut tallies: BTreeMap<&ServiceKey, Tally> = BTreeMap::new();
        for step in &plan.steps {
            if let Step::Place { service, .. } = step {
                tallies.entry(service).or_default().placed += 1;
            }
        }
        let removed =
            |id: &InstanceId, seen: &InstanceSeen| parted.contains_key(id) && is_down(seen);
        let mut may: BTreeMap<(&ServiceKey, Generation), bool> = BTreeMap::new();
        for (id, seen) in &self.observed.instances {
            let Some(service) = self.intent.services.get(&seen.service) else {
                continue;
            };
            let may_serve = *may
                .entry((&seen.service, seen.generation))
                .or_insert_with(|| service.may_serve(seen.generation));
            let tally = tallies.entry(&seen.service).or_default();
            let serves = may_serve && serves(service, seen);
            match parted.get(id) {
                Some(Reason::Replaced | Reason::Reverted | Reason::NodeLeaving) if serves => {
                    tally.replaced += 1;
                }
                None if serves => tally.serving += 1,
                _ => {}
            }
            tally.holding += u32::from(seen.phase != Phase::Unknown && !removed(id, seen));
            tally.draining |= self.intent.draining.contains(&seen.node);
        }
        for (key, tally) in tallies {
            let Some(service) = self.intent.services.get(key) else {
                continue;
            };
            let limits = limits(service);
            let (most, after) = (limits.most(tally.draining), tally.holding + tally.placed);
            let fine = tally.placed == 0 || after <= most;
            self.demand(fine, 2, || {
                format!("`{key}` would have {after} instances, {most} at most")
            });
            let least = limits.least_ready();
            let fine = tally.replaced == 0 || tally.serving >= least;
            let left = tally.serving;
            self.demand(fine, 3, || {
                format!("`{key}` would have {left} ready, {least} at least")
            });
        }
    }

    /// Traffic (9).
    fn routes(&mut self, plan: &Plan, parted: &Parted) {
        for step in &plan.steps {
            let Step::Route { service, instances } = step else {
                continue;
            };
            for id in instances {
                let seen = self.observed.instances.get(id);
                let wanted = self.intent.services.get(service);
                let ready = seen.zip(wanted).is_some_and(|(seen, wanted)| {
                    let may = wanted.may_serve(seen.generation);
                    seen.service == *service && is_ready(wanted, seen) && may
                });
                let fine = ready && !parted.contains_key(id);
                self.demand(fine, 9, || format!("`{service}` is routed to `{id}`"));
            }
        }
    }

    /// Requests (12).
    fn requests(&mut self, plan: &Plan) {
        for request in &plan.requests {
            let (service, generation) = match request {
                Request::Settle {
                    service,
                    generation,
                } => (service, generation),
                Request::Revert { service, from, .. } => (service, from),
                Request::Advance {
                    service,
                    generation,
                    ..
                } => (service, generation),
                Request::Scale {
                    service,
                    generation,
                    ..
                } => (service, generation),
            };
            let current = self
                .intent
                .services
                .get(service)
                .map(|service| service.generation);
            let fine = current == Some(*generation);
            self.demand(fine, 12, || {
                format!("generation {generation} of `{service}` is not current")
            });
        }
    }
}

/// What a plan does to one service.
#[derive(Default)]
struct Tally {
    placed: u32,
    holding: u32,
    serving: u32,
    replaced: u32,
    draining: bool,
}

fn is_down(seen: &InstanceSeen) -> bool {
    matches!(seen.phase, Phase::Ended | Phase::Failed { .. })
}

/// The current generation, or while that rolls out the last good one.
fn is_placed(service: &Service, generation: Generation) -> bool {
    let last_good = service.stable.as_ref().map(|past| past.generation);
    service.generation == generation || (service.rolls_out() && last_good == Some(generation))
}

fn is_ready(service: &Service, seen: &InstanceSeen) -> bool {
    let spec = service.spec_of(seen.generation).unwrap_or(&service.spec);
    seen.is_ready(&spec.probes)
}

/// Ready, or done with its work. Whether work is done does not depend on the moment.
fn serves(service: &Service, seen: &InstanceSeen) -> bool {
    let spec = service.spec_of(seen.generation).unwrap_or(&service.spec);
    is_ready(service, seen) || judge(seen, &spec.restart, Time(0)) == Verdict::Finished
}
