//! The simulated fleet of one case: what it looks like, and how its programs misbehave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ostler_core::{
    event::{Event, Happening},
    id::{InstanceId, ServiceKey},
    intent::Intent,
    observed::{InstanceSeen, Phase},
    plan::{ServiceState, ServiceStatus},
    sim::{self, Asked, Ending, Faults},
    time::{Span, Time},
};
use ostler_tools::answer::{LogLine, LogStream};

use crate::{
    rule::{Moment, Rule, Subject, Then},
    signals::Signals,
    stage::{QUIET, START},
};

/// Most events and log lines kept.
const KEPT: usize = 2_000;

/// An instance and the rules that hold for it, by name.
type Held<'r> = (InstanceId, InstanceSeen, Vec<&'r (String, Rule)>);

/// The fleet, and what is remembered of it.
pub struct Fleet {
    /// Instances and machines.
    pub sim: sim::World,
    /// How services stood at the last tick.
    pub states: BTreeMap<ServiceKey, ServiceState>,
    /// Instances as they were then.
    pub before: BTreeMap<InstanceId, InstanceSeen>,
    /// What happened, newest last.
    pub events: VecDeque<Event>,
    /// What programs wrote.
    pub logs: BTreeMap<InstanceId, Vec<LogLine>>,
    /// Which rule's lines a run has written: rule, instance, attempt.
    pub written: BTreeSet<(String, InstanceId, u32)>,
    /// Rules that count and that hold now for some instance.
    pub holding: BTreeSet<String>,
    /// Every rule that held at the last tick.
    pub held: BTreeSet<String>,
    /// Invariants of the core that plans broke.
    pub violations: Vec<String>,
    /// Ticks so far.
    pub ticks: u64,
    /// Events so far.
    pub seq: u64,
}

impl Fleet {
    pub fn new(seed: u64, now: Time) -> Self {
        Self {
            sim: sim::World::new(seed, now, Faults::none()),
            states: BTreeMap::new(),
            before: BTreeMap::new(),
            events: VecDeque::new(),
            logs: BTreeMap::new(),
            written: BTreeSet::new(),
            holding: BTreeSet::new(),
            held: BTreeSet::new(),
            violations: Vec::new(),
            ticks: 0,
            seq: 0,
        }
    }

    /// Which rules hold for which instance now.
    fn held_for<'r>(
        &self,
        intent: &Intent,
        rules: &'r [(String, Rule)],
        now: Time,
    ) -> Vec<Held<'r>> {
        let routes = self.ready_services(intent);
        let moment = Moment {
            held: &self.held,
            now,
            trouble: START + QUIET,
            ready: &|service| routes.contains(service),
        };
        let mut all = Vec::new();
        for (id, seen) in self.sim.instances() {
            let mut own: Vec<_> = rules
                .iter()
                .filter(|(_, rule)| rule.on == seen.service)
                .collect();
            if let (false, Some(spec), Some(service)) = (
                own.is_empty(),
                intent.spec_of(&seen.service, seen.generation),
                intent.services.get(&seen.service),
            ) {
                let json = serde_json::to_value(&**spec).unwrap_or_default();
                let subject = Subject {
                    seen,
                    spec,
                    json: &json,
                    replicas: service.replicas,
                    oldest: oldest(&self.sim, &seen.service).as_ref() == Some(id),
                };
                own.retain(|(_, rule)| rule.when.holds(&moment, &subject));
            }
            all.push((id.clone(), seen.clone(), own));
        }
        all
    }

    /// Holds every rule against every instance and does what it says.
    pub fn misbehave(
        &mut self,
        intent: &Intent,
        rules: &[(String, Rule)],
        now: Time,
        signals: Option<&Signals>,
    ) {
        let all = self.held_for(intent, rules, now);
        self.holding.clear();
        self.held.clear();
        for (id, seen, own) in all {
            for (name, rule) in &own {
                self.held.insert(name.clone());
                if rule.counts {
                    self.holding.insert(name.clone());
                }
                self.suffer(name, &rule.then, &id, &seen, now);
                if let Some(signals) = signals {
                    signals.ruled(&rule.then, (&id, &seen), START + QUIET, now);
                }
            }
            let not_ready = own
                .iter()
                .find_map(|(_, rule)| rule.then.not_ready.as_deref());
            let not_live = own
                .iter()
                .find_map(|(_, rule)| rule.then.not_live.as_deref());
            self.answer(&id, &seen, not_ready, not_live);
        }
    }

    /// Lets starts fail that were ordered just now: many are done before the next tick.
    pub fn fail_starts(&mut self, intent: &Intent, rules: &[(String, Rule)], now: Time) {
        if rules
            .iter()
            .all(|(_, rule)| rule.then.cannot_start.is_none())
        {
            return;
        }
        for (id, _, own) in self.held_for(intent, rules, now) {
            let problem = own
                .iter()
                .find_map(|(_, rule)| rule.then.cannot_start.clone());
            if let Some(problem) = problem {
                self.sim.fail_start(&id, problem);
            }
        }
    }

    /// Probes say no while a rule says so, and yes again afterwards.
    fn answer(
        &mut self,
        id: &InstanceId,
        seen: &InstanceSeen,
        not_ready: Option<&str>,
        not_live: Option<&str>,
    ) {
        for (asked, no, answer) in [
            (Asked::Readiness, not_ready, &seen.health.readiness),
            (Asked::Liveness, not_live, &seen.health.liveness),
        ] {
            let says_no = matches!(answer, ostler_core::observed::Answer::No { .. });
            if no.is_some() || says_no {
                self.sim.probe(id, asked, no);
            }
        }
    }

    fn suffer(&mut self, rule: &str, then: &Then, id: &InstanceId, seen: &InstanceSeen, now: Time) {
        if let Some(problem) = &then.cannot_start {
            self.sim.fail_start(id, problem.clone());
        }
        if seen.phase == Phase::Running {
            let written = (rule.to_owned(), id.clone(), seen.attempt);
            if !then.logs.is_empty() && self.written.insert(written) {
                self.write(id, seen.attempt, &then.logs, now);
            }
        }
        if let Some(code) = then.exits {
            self.sim.end(id, Ending::Exit(code));
        }
        if then.out_of_memory {
            self.sim.end(id, Ending::OutOfMemory);
        }
        if then.node_silent {
            self.sim.silence(&seen.node, Span::seconds(2));
        }
    }

    fn write(&mut self, id: &InstanceId, attempt: u32, lines: &[String], now: Time) {
        let log = self.logs.entry(id.clone()).or_default();
        let line = |text: &String| LogLine {
            at: now,
            stream: LogStream::Stderr,
            attempt,
            text: text.clone(),
        };
        log.extend(lines.iter().map(line));
        let extra = log.len().saturating_sub(KEPT);
        log.drain(..extra);
    }

    fn ready_services(&self, intent: &Intent) -> BTreeSet<ServiceKey> {
        let ready = self.sim.instances().filter(|(_, seen)| {
            let spec = intent.spec_of(&seen.service, seen.generation);
            spec.is_some_and(|spec| seen.is_ready(&spec.probes))
        });
        ready.map(|(_, seen)| seen.service.clone()).collect()
    }

    pub fn tell_what_happened(&mut self, now: Time) {
        let after: BTreeMap<InstanceId, InstanceSeen> = self
            .sim
            .instances()
            .map(|(id, seen)| (id.clone(), seen.clone()))
            .collect();
        let before = std::mem::replace(&mut self.before, after.clone());
        for (id, seen) in &after {
            for what in happened(before.get(id), seen) {
                self.tell(now, Some(&seen.service), Some(id), what);
            }
        }
        for (id, seen) in before.iter().filter(|(id, _)| !after.contains_key(*id)) {
            self.tell(now, Some(&seen.service), Some(id), Happening::Removed);
        }
    }

    pub fn tell_states(&mut self, report: &BTreeMap<ServiceKey, ServiceStatus>, now: Time) {
        let states: BTreeMap<ServiceKey, ServiceState> = report
            .iter()
            .map(|(service, status)| (service.clone(), status.state))
            .collect();
        let before = std::mem::replace(&mut self.states, states.clone());
        for (service, to) in states {
            let from = before.get(&service).copied();
            if from != Some(to) {
                self.tell(
                    now,
                    Some(&service),
                    None,
                    Happening::StateChanged { from, to },
                );
            }
        }
    }

    pub fn tell(
        &mut self,
        at: Time,
        service: Option<&ServiceKey>,
        instance: Option<&InstanceId>,
        what: Happening,
    ) {
        self.seq += 1;
        self.events.push_back(Event {
            seq: self.seq,
            at,
            service: service.cloned(),
            instance: instance.cloned(),
            what,
        });
        if self.events.len() > KEPT {
            self.events.pop_front();
        }
    }
}

/// What must have happened between two looks at an instance.
fn happened(before: Option<&InstanceSeen>, after: &InstanceSeen) -> Vec<Happening> {
    let mut all = Vec::new();
    if before.is_none() {
        all.push(Happening::Placed {
            generation: after.generation,
        });
    }
    if let Some(started) = after.started_at
        && before.and_then(|before| before.started_at) != Some(started)
    {
        all.push(Happening::Started {
            attempt: after.attempt,
            took: Span(0),
        });
    }
    if let Some(to) = before.filter(|before| before.generation < after.generation) {
        let from = (to.cpu, to.memory);
        all.push(Happening::Resized {
            generation: after.generation,
            words: format!(
                "reserves {} and {} instead of {} and {}",
                after.cpu, after.memory, from.0, from.1
            ),
        });
    }
    let known = before.and_then(|before| before.exits.last());
    if let Some(exit) = after.exits.last().filter(|exit| Some(*exit) != known) {
        all.push(Happening::Exited {
            exit: exit.clone(),
            words: exit.in_words(),
        });
    }
    if let Phase::Failed { problem } = &after.phase
        && before.is_none_or(|before| before.phase != after.phase)
    {
        all.push(Happening::StartFailed {
            problem: problem.clone(),
        });
    }
    all
}

/// A service's oldest instance.
pub fn oldest(sim: &sim::World, service: &ServiceKey) -> Option<InstanceId> {
    let of_it = sim.instances().filter(|(_, seen)| seen.service == *service);
    let first = of_it.min_by_key(|(id, seen)| (seen.created_at, (*id).clone()))?;
    Some(first.0.clone())
}
