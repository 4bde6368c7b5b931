//! A simulated fleet behind the shipped core and the shipped gate, in virtual time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use ostler_core::{
    check::check,
    event::{Event, Happening},
    id::{InstanceId, ServiceKey},
    intent::Intent,
    observed::{InstanceSeen, Phase},
    plan::{Request, ServiceState},
    reconcile::reconcile,
    sim::{self, Asked, Ending, Faults},
    time::{Span, Time},
};
use ostler_gate::{
    Gate, GateConfig, Keys, Limits,
    ports::{Clock, PastChange, World},
    testing::MemoryStore,
};
use ostler_policies::{Bundle, Engine};
use ostler_tools::{
    answer::{LogAnswer, LogLine, LogStream},
    catalogue,
    query::Query,
    view::{SignalReader, WorldView},
};
use serde_json::Value;

use crate::{
    CaseError,
    mechanism::Case,
    noise,
    rule::{Moment, Rule, Subject, Then},
    signals::Signals,
};

/// When every case begins.
const START: Time = Time(1_795_000_000_000);
/// From a case's beginning to the beginning of its trouble: what is usual is known by then.
pub const QUIET: Span = Span::seconds(150);
/// Between two values of a signal.
const EVERY: u64 = 5;
/// Most events and log lines kept.
const KEPT: usize = 2_000;

/// Virtual time, for the gate and for agents, and numbers instead of randomness.
#[derive(Clone)]
pub struct PlayClock {
    began: tokio::time::Instant,
    fresh: Arc<AtomicU64>,
}

impl PlayClock {
    fn start(seed: u64) -> Self {
        Self {
            began: tokio::time::Instant::now(),
            fresh: Arc::new(AtomicU64::new(seed)),
        }
    }

    /// Now.
    #[must_use]
    pub fn time(&self) -> Time {
        let passed = self.began.elapsed().as_millis();
        START + Span(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

impl Clock for PlayClock {
    fn now(&self) -> Time {
        self.time()
    }

    fn fresh(&self) -> u64 {
        self.fresh
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}

impl ostler_agents_kit::agent::Clock for PlayClock {
    fn now(&self) -> Time {
        self.time()
    }
}

/// The fleet, and everything around it.
pub struct Stage {
    /// The only door to it.
    pub gate: Arc<Gate>,
    /// What the gate keeps.
    pub store: Arc<MemoryStore>,
    /// Its time.
    pub clock: PlayClock,
    theatre: Arc<Theatre>,
    rules: Vec<(String, Rule)>,
}

/// What the gate sees of the fleet.
struct Theatre {
    inner: Mutex<Inner>,
    signals: Signals,
    view: Mutex<Arc<WorldView>>,
    clock: PlayClock,
}

struct Inner {
    sim: sim::World,
    states: BTreeMap<ServiceKey, ServiceState>,
    before: BTreeMap<InstanceId, InstanceSeen>,
    events: VecDeque<Event>,
    logs: BTreeMap<InstanceId, Vec<LogLine>>,
    /// Which rule's lines a run has written: rule, instance, attempt.
    written: BTreeSet<(String, InstanceId, u32)>,
    /// Rules that count and that hold now for some instance.
    holding: BTreeSet<String>,
    violations: Vec<String>,
    ticks: u64,
    seq: u64,
}

impl Stage {
    /// Opens a gate over an empty fleet.
    ///
    /// # Errors
    /// When the gate cannot be opened.
    pub async fn open(case: &Case, seed: u64) -> Result<Self, CaseError> {
        let wrong = |problem: String| CaseError {
            place: case.name.clone(),
            problem,
        };
        let clock = PlayClock::start(seed);
        let store = Arc::new(MemoryStore::default());
        let theatre = Arc::new(Theatre {
            inner: Mutex::new(Inner::new(seed, clock.time())),
            signals: Signals::new(seed, case.noise),
            view: Mutex::default(),
            clock: clock.clone(),
        });
        let registry = ostler_agents::registry().iter();
        let mut rules: Vec<(String, Rule)> = case.rules.clone().into_iter().collect();
        if case.noise {
            rules.extend(noise::chatter()?);
        }
        let gate = Gate::open(GateConfig {
            store: store.clone(),
            world: theatre.clone(),
            clock: Arc::new(clock.clone()),
            engine: engine().map_err(wrong)?,
            keys: Keys::ephemeral(),
            catalogue: catalogue::ALL,
            priorities: registry
                .map(|agent| (agent.name.to_owned(), agent.priority))
                .collect(),
            limits: Limits::default(),
        });
        Ok(Self {
            gate: gate.await.map_err(|error| wrong(error.to_string()))?,
            store,
            clock,
            theatre,
            rules,
        })
    }

    /// How long it has played.
    #[must_use]
    pub fn age(&self) -> Span {
        self.clock.time().since(START)
    }

    /// Lets everything happen that is due by now, as the daemon's driver would.
    pub async fn tick(&self) {
        let intent = self.gate.intent();
        let requests = self.theatre.tick(&intent, &self.rules);
        for request in requests {
            self.gate.request(&request).await;
        }
    }

    /// Whether every service is healthy and no rule that counts holds.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let inner = self.theatre.lock();
        inner.holding.is_empty()
            && inner
                .states
                .values()
                .all(|state| matches!(state, ServiceState::Healthy | ServiceState::Idle))
    }

    /// In words, what is not well.
    #[must_use]
    pub fn ills(&self) -> String {
        let inner = self.theatre.lock();
        let states = inner.states.iter();
        let unwell: Vec<String> = states
            .filter(|(_, state)| **state != ServiceState::Healthy)
            .map(|(service, state)| format!("{service} is {state:?}"))
            .chain(
                inner
                    .holding
                    .iter()
                    .map(|rule| format!("rule `{rule}` holds")),
            )
            .collect();
        unwell.join(", ")
    }

    /// Ends that nobody asked for, since then.
    #[must_use]
    pub fn ends_since(&self, since: Time) -> usize {
        let inner = self.theatre.lock();
        let ends = inner.events.iter().filter(|event| event.at >= since);
        ends.filter(
            |event| matches!(&event.what, Happening::Exited { exit, .. } if exit.is_failure()),
        )
        .count()
    }

    /// Invariants of the core that plans broke.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.theatre.lock().violations.clone()
    }

    /// A service's oldest instance.
    #[must_use]
    pub fn oldest(&self, service: &ServiceKey) -> Option<InstanceId> {
        oldest(&self.theatre.lock().sim, service)
    }
}

/// The shipped policies, read once: that takes longer than many a case.
fn engine() -> Result<Arc<Engine>, String> {
    static ENGINE: OnceLock<Result<Arc<Engine>, String>> = OnceLock::new();
    let load = || {
        let engine = Engine::load(&Bundle::embedded(), &ostler_gate::actions(catalogue::ALL));
        engine.map(Arc::new).map_err(|error| error.to_string())
    };
    ENGINE.get_or_init(load).clone()
}

fn oldest(sim: &sim::World, service: &ServiceKey) -> Option<InstanceId> {
    let of_it = sim.instances().filter(|(_, seen)| seen.service == *service);
    let first = of_it.min_by_key(|(id, seen)| (seen.created_at, (*id).clone()))?;
    Some(first.0.clone())
}

impl Theatre {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, intent: &Intent, rules: &[(String, Rule)]) -> Vec<Request> {
        let now = self.clock.time();
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.sim.advance(intent, now);
        let measure = inner.ticks.is_multiple_of(EVERY);
        inner.ticks += 1;
        if measure {
            self.signals.usual(intent, &inner.sim, now);
        }
        inner.misbehave(intent, rules, now, measure.then_some(&self.signals));
        let observed = inner.sim.observe();
        let plan = reconcile(intent, &observed, now);
        let violations = check(intent, &observed, &plan);
        if violations.is_empty() {
            inner.sim.execute(intent, &plan.steps);
        }
        let broken = violations.iter().map(ToString::to_string);
        inner.violations.extend(broken);
        inner.tell_what_happened(now);
        inner.tell_states(&plan.report, now);
        let view = WorldView {
            observed: inner.sim.observe(),
            report: plan.report,
            events: inner.events.clone(),
            ..WorldView::default()
        };
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        plan.requests
    }
}

impl Inner {
    fn new(seed: u64, now: Time) -> Self {
        Self {
            sim: sim::World::new(seed, now, Faults::none()),
            states: BTreeMap::new(),
            before: BTreeMap::new(),
            events: VecDeque::new(),
            logs: BTreeMap::new(),
            written: BTreeSet::new(),
            holding: BTreeSet::new(),
            violations: Vec::new(),
            ticks: 0,
            seq: 0,
        }
    }

    /// Holds every rule against every instance and does what it says.
    fn misbehave(
        &mut self,
        intent: &Intent,
        rules: &[(String, Rule)],
        now: Time,
        signals: Option<&Signals>,
    ) {
        self.holding.clear();
        let routes = self.ready_services(intent);
        let moment = Moment {
            now,
            trouble: START + QUIET,
            ready: &|service| routes.contains(service),
        };
        let all: Vec<(InstanceId, InstanceSeen)> = self
            .sim
            .instances()
            .map(|(id, seen)| (id.clone(), seen.clone()))
            .collect();
        for (id, seen) in all {
            let (Some(spec), Some(service)) = (
                intent.spec_of(&seen.service, seen.generation),
                intent.services.get(&seen.service),
            ) else {
                continue;
            };
            let json = serde_json::to_value(&**spec).unwrap_or_default();
            let subject = Subject {
                seen: &seen,
                spec,
                json: &json,
                replicas: service.replicas,
                oldest: oldest(&self.sim, &seen.service).as_ref() == Some(&id),
            };
            let (mut not_ready, mut not_live) = (None, None);
            for (name, rule) in rules {
                if rule.on != seen.service || !rule.when.holds(&moment, &subject) {
                    continue;
                }
                if rule.counts {
                    self.holding.insert(name.clone());
                }
                not_ready = not_ready.or(rule.then.not_ready.as_deref());
                not_live = not_live.or(rule.then.not_live.as_deref());
                self.suffer(name, &rule.then, &id, &seen, now);
                if let Some(signals) = signals {
                    signals.ruled(&rule.then, &id, &seen, now);
                }
            }
            self.answer(&id, &seen, not_ready, not_live);
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

    fn tell_what_happened(&mut self, now: Time) {
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

    fn tell_states(
        &mut self,
        report: &BTreeMap<ServiceKey, ostler_core::plan::ServiceStatus>,
        now: Time,
    ) {
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

    fn tell(
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

#[async_trait]
impl World for Theatre {
    fn view(&self) -> Arc<WorldView> {
        self.view
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn signals(&self) -> &dyn SignalReader {
        &self.signals
    }

    async fn query(&self, query: &Query) -> Result<Value, String> {
        let Query::Logs { instance, tail, .. } = query else {
            return Err("a simulated fleet does not answer this".to_owned());
        };
        let lines = self.lock().logs.get(instance).cloned().unwrap_or_default();
        let skip = lines
            .len()
            .saturating_sub(usize::try_from(*tail).unwrap_or(usize::MAX));
        let answer = LogAnswer {
            instance: instance.clone(),
            cursor: u64::try_from(lines.len()).unwrap_or(u64::MAX),
            truncated: false,
            untrusted_lines: lines.into_iter().skip(skip).collect(),
        };
        serde_json::to_value(answer).map_err(|error| error.to_string())
    }

    fn intent_moved(&self, _: Arc<Intent>, past: &PastChange) {
        let mut inner = self.lock();
        let what = Happening::Changed {
            tool: past.tool.clone(),
            principal: past.principal.clone(),
            summary: past.summary.clone(),
            revision: past.revision.0,
        };
        inner.tell(past.at, past.services.first(), None, what);
    }
}
