//! A small world of machines and instances in virtual time: carries out steps as a real executor
//! would, sometimes badly, and shows what can be seen of it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    dice::Dice,
    life::{Due, Life},
    meter::Meter,
    temper::{Faults, Temper},
};
use crate::{
    id::{Generation, InstanceId, NodeName, ServiceKey},
    intent::Intent,
    observed::{Answer, Health, NodeSeen, Observed, Phase, Taken},
    spec::ServiceSpec,
    step::Step,
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};

/// What went in and out: placed = removed + forgotten + existing, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Instances made by a placement.
    pub placed: u64,
    /// Instances taken away.
    pub removed: u64,
    /// Instances that never started and were forgotten when the daemon restarted.
    pub forgotten: u64,
    /// Times that an instance was given other CPU for its load.
    pub followed: u64,
    /// Resizes in place that were done.
    pub resized: u64,
}

/// The simulated world.
#[derive(Debug, Clone)]
pub struct World {
    pub(super) now: Time,
    pub(super) dice: Dice,
    pub(super) faults: Faults,
    pub(super) nodes: BTreeMap<NodeName, NodeSeen>,
    /// Silent nodes: since when, and until when.
    pub(super) silent: BTreeMap<NodeName, (Time, Time)>,
    pub(super) lives: BTreeMap<InstanceId, Life>,
    pub(super) routes: BTreeMap<ServiceKey, Vec<InstanceId>>,
    usual: Temper,
    tempers: BTreeMap<String, Temper>,
    of_specs: Vec<(Arc<ServiceSpec>, Temper)>,
    /// Shortest and longest time from the order to end until the end.
    pub(super) ends: (Span, Span),
    /// Room that instances hold which are not simulated.
    pub(super) taken: BTreeMap<NodeName, Taken>,
    pub(super) late: Vec<(Time, Step)>,
    next_minute: Time,
    pub(super) accounts: Accounts,
    pub(super) meter: Meter,
}

impl World {
    /// Three machines and nothing on them, with whatever goes wrong by `faults`.
    #[must_use]
    pub fn new(seed: u64, now: Time, faults: Faults) -> Self {
        let machine = |number: u32| {
            let name = NodeName::new(format!("node-{number}")).ok()?;
            Some((name, machine(now)))
        };
        let nodes = (1..=3).filter_map(machine).collect();
        Self::from_parts(seed, faults, nodes, now)
    }

    pub(super) fn from_parts(
        seed: u64,
        faults: Faults,
        nodes: BTreeMap<NodeName, NodeSeen>,
        now: Time,
    ) -> Self {
        Self {
            now,
            dice: Dice::new(seed),
            faults,
            nodes,
            silent: BTreeMap::new(),
            lives: BTreeMap::new(),
            routes: BTreeMap::new(),
            usual: Temper::default(),
            tempers: BTreeMap::new(),
            of_specs: Vec::new(),
            ends: (Span(5), Span(5_000)),
            taken: BTreeMap::new(),
            late: Vec::new(),
            next_minute: now,
            accounts: Accounts::default(),
            meter: Meter::default(),
        }
    }

    /// Says how every instance of an image behaves from its next start on.
    pub fn set_temper(&mut self, image: &str, temper: Temper) {
        self.tempers.insert(image.to_owned(), temper);
    }

    /// Says how instances made exactly by this spec behave; goes before the image's temper.
    pub fn set_temper_of(&mut self, spec: Arc<ServiceSpec>, temper: Temper) {
        self.of_specs.push((spec, temper));
    }

    /// Says how everything else behaves.
    pub fn set_usual(&mut self, temper: Temper) {
        self.usual = temper;
    }

    /// Says what goes wrong by chance from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Says how long what is asked to end takes, at least and at most.
    pub fn set_ends(&mut self, least: Span, most: Span) {
        self.ends = (least, most);
    }

    /// The world's time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// What went in and out so far.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        self.accounts
    }

    /// How many instances exist.
    #[must_use]
    pub fn existing(&self) -> u64 {
        u64::try_from(self.lives.len()).unwrap_or(u64::MAX)
    }

    /// What can be seen: instances on silent nodes are unknown.
    #[must_use]
    pub fn observe(&self) -> Observed {
        let mut nodes = self.nodes.clone();
        for (name, node) in &mut nodes {
            node.ready &= !self.silent.contains_key(name);
        }
        let show = |(id, life): (&InstanceId, &Life)| {
            let mut seen = life.seen.clone();
            if let Some((since, _)) = self.silent.get(&seen.node) {
                (seen.phase, seen.since) = (Phase::Unknown, *since);
            }
            (id.clone(), seen)
        };
        Observed {
            load: BTreeMap::new(),
            measured: self.meter.counts(),
            nodes,
            instances: self.lives.iter().map(show).collect(),
            routes: self.routes.clone(),
            taken: self.taken.clone(),
        }
    }

    /// Whether nothing goes wrong by chance any more.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.now >= self.faults.until
    }

    /// When something happens next by itself.
    #[must_use]
    pub fn next_event(&self) -> Option<Time> {
        let lives = self.lives.values().filter_map(Life::next);
        let late = self.late.iter().map(|(at, _)| *at);
        let back = self.silent.values().map(|(_, until)| *until);
        let minute = (self.next_minute < self.faults.until).then_some(self.next_minute);
        lives.chain(late).chain(back).chain(minute).min()
    }

    /// Lets time pass until `to`; everything due by then happens, in order.
    pub fn advance(&mut self, intent: &Intent, to: Time) {
        while let Some(at) = self.next_event().filter(|at| *at <= to) {
            self.serve(intent, at);
            self.now = self.now.max(at);
            self.surroundings();
            self.carry_out_late(intent);
            self.live(intent);
        }
        self.serve(intent, to);
        self.now = self.now.max(to);
    }

    /// Nodes come back; once a minute nodes fall silent and the daemon restarts.
    fn surroundings(&mut self) {
        let now = self.now;
        self.silent.retain(|_, (_, until)| *until > now);
        if now < self.next_minute || now >= self.faults.until {
            return;
        }
        self.next_minute = now + Span::minutes(1);
        let names: Vec<NodeName> = self.nodes.keys().cloned().collect();
        for name in names {
            if self.dice.chance(self.faults.silences) {
                let until = now + Span(self.dice.between(1_000, 150_000));
                if self.dice.chance(300) {
                    self.reboot(&name);
                }
                self.silent.insert(name, (now, until));
            }
        }
        if self.dice.chance(self.faults.restarts) {
            self.restart_daemon();
        }
    }

    fn reboot(&mut self, node: &NodeName) {
        let now = self.now;
        let on_it = self
            .lives
            .values_mut()
            .filter(|life| life.seen.node == *node);
        for life in on_it.filter(|life| matches!(life.seen.phase, Phase::Running | Phase::Stopping))
        {
            life.end(now, Due::Removed);
        }
    }

    /// What only the daemon's memory held is gone: failed starts, answers, traffic.
    fn restart_daemon(&mut self) {
        let before = self.lives.len();
        let started = |life: &Life| {
            matches!(
                life.seen.phase,
                Phase::Running | Phase::Stopping | Phase::Ended
            )
        };
        self.lives.retain(|_, life| started(life));
        self.accounts.forgotten += u64::try_from(before - self.lives.len()).unwrap_or(0);
        self.late.clear();
        self.routes.clear();
        self.meter.forget();
        for life in self.lives.values_mut() {
            let ready = matches!(life.seen.health.readiness, Answer::Yes { .. });
            life.seen.health = Health::default();
            // That one was refused is tried again; that it was done is on disk.
            life.seen.resize = life.seen.resize.filter(|last| last.trouble.is_none());
            if life.seen.phase == Phase::Running {
                let at = self.now + Span(self.dice.between(10, 3_000));
                life.pending.push((at, Due::Ready(ready)));
            }
        }
    }

    fn carry_out_late(&mut self, intent: &Intent) {
        let now = self.now;
        let (due, late) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.late = late;
        let due: Vec<(Time, Step)> = due;
        for (_, step) in due {
            self.carry_out(intent, &step);
        }
    }

    fn live(&mut self, intent: &Intent) {
        let ids: Vec<InstanceId> = self.lives.keys().cloned().collect();
        for id in ids {
            let Some(mut life) = self.lives.remove(&id) else {
                continue;
            };
            while let Some((_, due)) = life.take_due(self.now) {
                self.happen(intent, &mut life, due);
            }
            self.lives.insert(id, life);
        }
    }

    fn happen(&mut self, intent: &Intent, life: &mut Life, due: Due) {
        let now = self.now;
        match due {
            Due::Runs => {
                let temper = self.temper(intent, &life.seen.service, life.seen.generation);
                life.run(now, &temper, &self.faults, &mut self.dice);
            }
            Due::StartFails(kind) => life.fail(now, kind),
            Due::Exits(_) | Due::OutOfMemory | Due::Ends { .. } | Due::Removed => {
                life.end(now, due)
            }
            Due::Ready(_) | Due::Live(_) => life.answer(now, due),
        }
    }

    pub(super) fn temper(
        &self,
        intent: &Intent,
        service: &ServiceKey,
        generation: Generation,
    ) -> Temper {
        let Some(spec) = intent.spec_of(service, generation) else {
            return self.usual.clone();
        };
        let alike = self
            .of_specs
            .iter()
            .find(|(other, _)| other.makes_same(spec));
        let temper = alike
            .map(|(_, temper)| temper)
            .or_else(|| self.tempers.get(&spec.image));
        temper.unwrap_or(&self.usual).clone()
    }
}

fn machine(now: Time) -> NodeSeen {
    NodeSeen {
        ready: true,
        cpu: MilliCpu(8_000),
        memory: Bytes::mib(16_384),
        max_instances: 40,
        seen_at: now,
    }
}
