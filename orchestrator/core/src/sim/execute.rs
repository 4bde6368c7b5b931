//! Carrying out steps in the simulated world, as an executor would: late and repeated work is
//! harmless, what cannot be reached is not done.

use super::{life::Life, world::World};
use crate::{
    id::{Generation, InstanceId, NodeName, ServiceKey},
    intent::Intent,
    observed::{Health, InstanceSeen, Phase, Resize, ResizeTrouble},
    step::{Reason, Step},
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};

/// What backends say to a resize that they do not do.
const REFUSALS: [ResizeTrouble; 3] = [
    ResizeTrouble::MemoryInUse,
    ResizeTrouble::Failed,
    ResizeTrouble::Unsupported,
];

impl World {
    /// Hands steps to the executor, which may lose, repeat or delay them while faults last.
    pub fn execute(&mut self, intent: &Intent, steps: &[Step]) {
        for step in steps {
            let trouble = self.now < self.faults.until;
            if trouble && self.dice.chance(self.faults.drops) {
                continue;
            }
            // A placement shows at once: that is the executor's promise.
            let may_wait = !matches!(step, Step::Place { .. });
            if trouble && may_wait && self.dice.chance(self.faults.delays) {
                let at = self.now + Span(self.dice.between(1, 20_000));
                self.late.push((at, step.clone()));
                continue;
            }
            self.carry_out(intent, step);
            if trouble && self.dice.chance(self.faults.repeats) {
                self.carry_out(intent, step);
            }
        }
    }

    /// Carries out one step if it still makes sense; late and repeated work is harmless.
    pub(super) fn carry_out(&mut self, intent: &Intent, step: &Step) {
        match step {
            Step::Place {
                instance,
                service,
                generation,
                node,
                ..
            } => {
                self.place(intent, instance, service, *generation, node);
            }
            Step::Restart {
                instance,
                attempt,
                generation,
                ..
            } => self.begin(intent, instance, *attempt, *generation),
            Step::Resize {
                instance,
                generation,
                ..
            } => self.resize(intent, instance, *generation),
            Step::Follow { instance, cpu } => self.follow(instance, *cpu),
            Step::Stop { instance, reason } => self.stop(instance, *reason),
            Step::Remove { instance, .. } => self.remove(instance),
            Step::Route { service, instances } => {
                self.routes.insert(service.clone(), instances.clone());
            }
        }
    }

    fn reachable(&self, node: &NodeName) -> bool {
        self.nodes.contains_key(node) && !self.silent.contains_key(node)
    }

    fn place(
        &mut self,
        intent: &Intent,
        id: &InstanceId,
        service: &ServiceKey,
        generation: Generation,
        node: &NodeName,
    ) {
        if self.lives.contains_key(id) || !self.reachable(node) {
            return;
        }
        let reserved = intent
            .spec_of(service, generation)
            .map(|spec| spec.reserved());
        let (cpu, memory) = reserved.unwrap_or_default();
        let seen = new_instance(service, generation, node, (cpu, memory), self.now);
        self.lives.insert(id.clone(), Life::new(seen));
        self.accounts.placed += 1;
        self.start(intent, id, 1);
    }

    fn begin(
        &mut self,
        intent: &Intent,
        id: &InstanceId,
        attempt: u32,
        generation: Option<Generation>,
    ) {
        let down = |life: &&Life| matches!(life.seen.phase, Phase::Ended | Phase::Failed { .. });
        let Some(life) = self.lives.get(id).filter(down) else {
            return;
        };
        if life.seen.attempt.saturating_add(1) == attempt && self.reachable(&life.seen.node) {
            if let Some(generation) = generation {
                self.give_size(intent, id, generation);
            }
            self.start(intent, id, attempt);
        }
    }

    /// Gives what runs other resources, or is refused as backends refuse.
    fn resize(&mut self, intent: &Intent, id: &InstanceId, to: Generation) {
        let runs = |life: &&Life| life.seen.phase == Phase::Running && life.seen.generation < to;
        let Some(life) = self.lives.get(id).filter(runs) else {
            return;
        };
        if !self.reachable(&life.seen.node) {
            return;
        }
        if self.now < self.faults.until && self.dice.chance(self.faults.refusals) {
            let (at, trouble) = (self.now, self.dice.pick(&REFUSALS).copied());
            if let Some(life) = self.lives.get_mut(id) {
                life.seen.resize = Some(Resize { to, at, trouble });
            }
            return;
        }
        let follows = follows(intent, &life.seen).then_some(life.seen.cpu);
        self.give_size(intent, id, to);
        self.accounts.resized += 1;
        if let (Some(cpu), Some(life)) = (follows, self.lives.get_mut(id)) {
            life.seen.cpu = cpu;
        }
        let Some(mut life) = self.lives.remove(id) else {
            return;
        };
        let temper = self.temper(intent, &life.seen.service, to);
        life.resized(self.now, &temper);
        self.lives.insert(id.clone(), life);
    }

    /// Gives what runs other CPU. Other resources come over it with the next generation, as backends have it.
    fn follow(&mut self, id: &InstanceId, cpu: MilliCpu) {
        let node = self.lives.get(id).map(|life| life.seen.node.clone());
        let reachable = node.is_some_and(|node| self.reachable(&node));
        if let Some(life) = self.lives.get_mut(id)
            && life.seen.phase == Phase::Running
            && reachable
        {
            life.seen.cpu = cpu;
            self.accounts.followed += 1;
        }
    }

    fn give_size(&mut self, intent: &Intent, id: &InstanceId, to: Generation) {
        let (at, trouble) = (self.now, None);
        if let Some(life) = self.lives.get_mut(id)
            && life.seen.generation < to
            && let Some(spec) = intent.spec_of(&life.seen.service, to)
        {
            (life.seen.cpu, life.seen.memory) = spec.reserved();
            life.seen.generation = to;
            life.seen.resize = Some(Resize { to, at, trouble });
        }
    }

    fn start(&mut self, intent: &Intent, id: &InstanceId, attempt: u32) {
        let Some(mut life) = self.lives.remove(id) else {
            return;
        };
        let temper = self.temper(intent, &life.seen.service, life.seen.generation);
        life.begin(attempt, self.now, &temper, &self.faults, &mut self.dice);
        self.lives.insert(id.clone(), life);
    }

    fn stop(&mut self, id: &InstanceId, reason: Reason) {
        let Some(life) = self.lives.get(id) else {
            return;
        };
        let runs = matches!(life.seen.phase, Phase::Running | Phase::Starting);
        if !runs || !self.reachable(&life.seen.node) {
            return;
        }
        if let Some(life) = self.lives.get_mut(id) {
            let ends = self.now + Span(self.dice.between(self.ends.0.0, self.ends.1.0));
            life.stop(self.now, reason == Reason::NotLive, ends);
        }
    }

    fn remove(&mut self, id: &InstanceId) {
        let down = |life: &Life| matches!(life.seen.phase, Phase::Ended | Phase::Failed { .. });
        let Some(life) = self.lives.get(id) else {
            return;
        };
        if down(life) && self.reachable(&life.seen.node) {
            self.lives.remove(id);
            self.accounts.removed += 1;
        }
    }
}

fn new_instance(
    service: &ServiceKey,
    generation: Generation,
    node: &NodeName,
    (cpu, memory): (MilliCpu, Bytes),
    now: Time,
) -> InstanceSeen {
    InstanceSeen {
        service: service.clone(),
        node: node.clone(),
        generation,
        cpu,
        memory,
        phase: Phase::Starting,
        since: now,
        attempt: 0,
        started_at: None,
        created_at: now,
        exits: Vec::new(),
        health: Health::default(),
        address: None,
        pid: None,
        resize: None,
    }
}

/// Whether its CPU follows the load: then it keeps what it has when its other resources change.
fn follows(intent: &Intent, seen: &InstanceSeen) -> bool {
    let service = intent.services.get(&seen.service);
    service.is_some_and(|service| service.spec.follows_cpu())
}
