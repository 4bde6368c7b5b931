//! What the daemon knows of the running fleet: the table of instances, events, agents, signals.
//!
//! In memory only. The driver, the probes and the backend's news write here; the gate reads views.
//! Nothing here decides or acts.

mod absorb;
mod table;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ostler_core::{
    event::{Event, Happening},
    id::{InstanceId, NodeName, ServiceKey},
    intent::Intent,
    time::Time,
};
use ostler_runtime::backend::Backend;
use ostler_signals::{demand::Demand, history::History, prometheus::Prometheus};
use ostler_tools::view::WorldView;
use tokio::sync::{Notify, watch};

pub use table::{Busy, ProbeName, Table};
pub(crate) use world::stream_of;

use crate::{
    clock,
    front::golden::Book,
    metrics::Metrics,
    observe::{compare::Compared, evals::Folder, registries::Wanted},
};

/// The shared knowledge of the running fleet.
pub struct Fleet {
    /// Where instances run.
    pub backend: Arc<dyn Backend>,
    /// This machine's name.
    pub node: NodeName,
    /// An hour of signals.
    pub signals: History,
    /// The load of services that scale with it.
    pub demand: Demand,
    /// What versions cost and say while one comes in.
    pub compared: Compared,
    /// The daemon's own metrics.
    pub metrics: Metrics,
    /// Wakes the driver; a hint, never the only reason it looks.
    pub wake: Notify,
    /// How new versions are looked for.
    pub upgrades: Wanted,
    /// Where reports of eval runs are kept.
    pub eval_reports: Folder,
    prometheus: RwLock<Option<Prometheus>>,
    table: Mutex<Table>,
    view: RwLock<Option<Arc<WorldView>>>,
    intent: watch::Sender<Arc<Intent>>,
}

impl Fleet {
    /// An empty table over a backend.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, node: NodeName) -> Arc<Self> {
        Arc::new(Self {
            backend,
            node,
            signals: History::default(),
            demand: Demand::default(),
            compared: Compared::default(),
            metrics: Metrics::default(),
            wake: Notify::new(),
            upgrades: Wanted::default(),
            eval_reports: Folder::default(),
            prometheus: RwLock::default(),
            table: Mutex::default(),
            view: RwLock::new(None),
            intent: watch::Sender::new(Arc::default()),
        })
    }

    /// Reads the table.
    pub fn read<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        look(&self.lock())
    }

    /// Writes the table; the next view shows it.
    pub fn write<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let result = change(&mut self.lock());
        self.stale();
        result
    }

    /// Records a happening: one event, one log line, one count.
    pub fn tell(
        &self,
        service: Option<&ServiceKey>,
        instance: Option<&InstanceId>,
        what: Happening,
    ) {
        self.tell_at(clock::now(), service, instance, what);
    }

    fn tell_at(
        &self,
        at: Time,
        service: Option<&ServiceKey>,
        instance: Option<&InstanceId>,
        what: Happening,
    ) {
        crate::happening::log(service, instance, &what);
        self.metrics.happened(&what);
        let event = Event {
            seq: 0,
            at,
            service: service.cloned(),
            instance: instance.cloned(),
            what,
        };
        self.write(|table| table.push_event(event));
    }

    /// Tells what is wrong of one kind, which is how the words begin, or that it is over. Whether that is news.
    pub fn problem(&self, kind: &str, words: Option<String>) -> bool {
        let known = self.read(|table| {
            let mut problems = table.daemon.problems.iter();
            problems.find(|one| one.starts_with(kind)).cloned()
        });
        if known == words {
            return false;
        }
        self.write(|table| {
            let problems = &mut table.daemon.problems;
            problems.retain(|one| !one.starts_with(kind));
            problems.extend(words);
        });
        true
    }

    /// The history of signals.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.signals
    }

    /// What the proxy counted of each version's requests.
    #[must_use]
    pub fn golden(&self) -> &Book {
        &self.metrics.golden
    }

    /// The Prometheus that the operator's configuration names.
    #[must_use]
    pub fn prometheus(&self) -> Option<Prometheus> {
        let named = self.prometheus.read();
        named.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over which Prometheus is asked.
    pub fn ask_of(&self, prometheus: Option<Prometheus>) {
        let named = self.prometheus.write();
        *named.unwrap_or_else(PoisonError::into_inner) = prometheus;
    }

    /// The intent as last published by the gate.
    #[must_use]
    pub fn intents(&self) -> watch::Receiver<Arc<Intent>> {
        self.intent.subscribe()
    }

    /// Publishes the intent to the driver.
    pub fn publish(&self, intent: Arc<Intent>) {
        self.intent.send_replace(intent);
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stale(&self) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
