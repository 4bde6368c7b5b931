//! A simulated fleet behind the shipped core and the shipped gate, in virtual time.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use ostler_core::{
    check::check,
    event::Happening,
    id::{InstanceId, ServiceKey},
    intent::Intent,
    observed::{Observed, Phase},
    plan::{Request, ServiceState},
    reconcile::reconcile,
    signal::SignalReader,
    time::{Span, Time},
};
use ostler_gate::{
    Gate, GateConfig, Keys, Limits,
    ports::{Clock, PastChange, World},
    testing::MemoryStore,
};
use ostler_policies::{Bundle, Engine};
use ostler_tools::{answer::LogAnswer, catalogue, query::Query, view::WorldView};
use serde_json::Value;

use crate::{
    CaseError,
    fleet::{Fleet, oldest},
    mechanism::Case,
    noise,
    rule::Rule,
    signals::Signals,
};

/// When every case begins.
pub(crate) const START: Time = Time(1_795_000_000_000);
/// From a case's beginning to the beginning of its trouble: what is usual is known by then.
pub const QUIET: Span = Span::seconds(150);
/// Between two values of a signal.
const EVERY: u64 = 5;

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
    fleet: Mutex<Fleet>,
    signals: Signals,
    view: Mutex<Arc<WorldView>>,
    clock: PlayClock,
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
            fleet: Mutex::new(Fleet::new(seed, clock.time())),
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

    /// What the gate sees of the fleet.
    pub(crate) fn world(&self) -> Arc<dyn World> {
        self.theatre.clone()
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
        let fleet = self.theatre.lock();
        fleet.holding.is_empty()
            && fleet
                .states
                .values()
                .all(|state| matches!(state, ServiceState::Healthy | ServiceState::Idle))
    }

    /// In words, what is not well.
    #[must_use]
    pub fn ills(&self) -> String {
        let fleet = self.theatre.lock();
        let states = fleet.states.iter();
        let unwell: Vec<String> = states
            .filter(|(_, state)| **state != ServiceState::Healthy)
            .map(|(service, state)| format!("{service} is {state:?}"))
            .chain(
                fleet
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
        let fleet = self.theatre.lock();
        let ends = fleet.events.iter().filter(|event| event.at >= since);
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

/// What runs has a process, as a real machine would show it.
fn with_processes(mut observed: Observed) -> Observed {
    for (seen, pid) in observed.instances.values_mut().zip(1_000..) {
        let runs = matches!(seen.phase, Phase::Running | Phase::Stopping);
        seen.pid = runs.then_some(pid);
    }
    observed
}

impl Theatre {
    fn lock(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, intent: &Intent, rules: &[(String, Rule)]) -> Vec<Request> {
        let now = self.clock.time();
        let mut fleet = self.lock();
        let fleet = &mut *fleet;
        fleet.sim.advance(intent, now);
        let measure = fleet.ticks.is_multiple_of(EVERY);
        fleet.ticks += 1;
        if measure {
            self.signals.usual(intent, &fleet.sim, now);
        }
        fleet.misbehave(intent, rules, now, measure.then_some(&self.signals));
        let observed = fleet.sim.observe();
        let plan = reconcile(intent, &observed, now);
        let violations = check(intent, &observed, &plan);
        if violations.is_empty() {
            fleet.sim.execute(intent, &plan.steps);
        }
        let broken = violations.iter().map(ToString::to_string);
        fleet.violations.extend(broken);
        fleet.fail_starts(intent, rules, now);
        fleet.tell_what_happened(now);
        fleet.tell_states(&plan.report, now);
        let view = WorldView {
            observed: with_processes(fleet.sim.observe()),
            report: plan.report,
            events: fleet.events.clone(),
            ..WorldView::default()
        };
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        plan.requests
    }
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
        self.signals.history()
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
        let mut fleet = self.lock();
        let what = Happening::Changed {
            tool: past.tool.clone(),
            principal: past.principal.clone(),
            summary: past.summary.clone(),
            revision: past.revision.0,
        };
        fleet.tell(past.at, past.services.first(), None, what);
    }
}
