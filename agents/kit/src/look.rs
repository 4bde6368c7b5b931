//! Looking: a glance every few seconds. Reads only.
//!
//! A call that fails leaves its fact out; only a closed pipe ends the look. What is kept between
//! glances is bounded: one set of series a subject, one note a service.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    id::{Generation, NodeName, Revision, ServiceKey},
    plan::ServiceState,
    signal::{SignalKind, Subject},
    spec::{Objectives, Port, Restart},
    time::{Span, Time},
};
use ostler_tools::answer::{
    Graph, InstanceInfo, Instances, ServiceDetail, Services, Signals, Upgrades,
};

use crate::{
    budget::Budget,
    client::{CallError, Caller},
    load::{Load, LoadReader},
    situation::Cited,
    symptom::Reads,
    world,
};

/// How far back series are read.
pub const WINDOW: Span = Span::minutes(10);
/// How old a series may be before it is read again.
const SERIES_AGE: Span = Span::seconds(10);
/// How old the list of instances may be while nothing moves.
const INSTANCES_AGE: Span = Span::seconds(15);
/// Series, and services, read anew in one glance.
const READS_PER_GLANCE: usize = 8;

/// What is known without a closer look.
#[derive(Debug, Clone)]
pub struct Glance {
    /// When.
    pub now: Time,
    /// Every service.
    pub services: Cited<Services>,
    /// Every instance.
    pub instances: Cited<Instances>,
    /// Who needs whom.
    pub graph: Cited<Graph>,
    /// What specs promise and limit.
    pub notes: BTreeMap<ServiceKey, SpecNote>,
    /// The last minutes of watched series.
    pub series: BTreeMap<Subject, Cited<Signals>>,
    /// Newer versions of what runs; only for those who look for them.
    pub upgrades: Option<Cited<Upgrades>>,
    /// Load of services, and what they were given; only for those who look at it.
    pub loads: BTreeMap<ServiceKey, Load>,
}

/// What noticing needs of a spec.
#[derive(Debug, Clone)]
pub struct SpecNote {
    /// Of which generation.
    pub generation: Generation,
    /// What is promised.
    pub objectives: Option<Objectives>,
    /// Whether memory is limited.
    pub memory_limited: bool,
    /// Whether it has volumes.
    pub has_volumes: bool,
    /// Whether it keeps data.
    pub stateful: bool,
    /// Whether its number of instances follows its load.
    pub scales: bool,
    /// Whether its traffic is measured by version.
    pub measured: bool,
    /// Until when a new instance must be ready.
    pub healthy_deadline: Span,
    /// How it is restarted.
    pub restart: Restart,
    /// Whether the core takes a rollout back by itself when its deadline passes.
    pub reverts: bool,
}

impl SpecNote {
    fn of(detail: &ServiceDetail) -> Self {
        Self {
            generation: detail.summary.generation,
            objectives: detail.spec.objectives.clone(),
            memory_limited: detail.spec.resources.limits.memory.is_some(),
            has_volumes: !detail.spec.volumes.is_empty(),
            stateful: detail.spec.is_stateful(),
            scales: detail.spec.scaling.is_some(),
            measured: detail.spec.ports.iter().any(Port::is_proxied),
            healthy_deadline: detail.spec.update.healthy_deadline,
            restart: detail.spec.restart,
            reverts: detail.spec.update.auto_revert
                && detail
                    .generations
                    .iter()
                    .any(|one| one.last_good && !one.current),
        }
    }
}

/// Keeps the last glance and reads what is due.
#[derive(Debug, Default)]
pub struct Look {
    glance: Option<Glance>,
    graph_of: Option<Revision>,
    instances_at: Time,
    restarts: u64,
    read_at: BTreeMap<Subject, Time>,
    reads: Reads,
    loads: LoadReader,
}

impl Look {
    /// Looks at these things too.
    #[must_use]
    pub fn reading(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    /// The last glance.
    #[must_use]
    pub fn glance(&self) -> Option<&Glance> {
        self.glance.as_ref()
    }

    /// Looks again.
    ///
    /// # Errors
    /// When services cannot be listed, or the pipe is closed.
    pub async fn refresh(
        &mut self,
        caller: &dyn Caller,
        budget: &Budget,
        now: Time,
    ) -> Result<(), CallError> {
        let services = world::services(caller).await?;
        let graph = self.current_graph(caller, &services.value).await?;
        let instances = self.current_instances(caller, &services.value, now).await?;
        let (notes, series, loads) = self.glance.take().map_or_else(Default::default, |glance| {
            (glance.notes, glance.series, glance.loads)
        });
        let mut glance = Glance {
            now,
            services,
            instances,
            graph,
            notes,
            series,
            upgrades: None,
            loads,
        };
        if self.reads.upgrades {
            glance.upgrades = known(world::upgrades(caller, None).await)?;
        }
        if self.reads.loads {
            self.loads.read(caller, &mut glance).await?;
        }
        read_notes(caller, &mut glance).await?;
        if self.reads.health {
            self.read_series(caller, budget, &mut glance).await?;
        }
        self.glance = Some(glance);
        Ok(())
    }

    async fn current_graph(
        &mut self,
        caller: &dyn Caller,
        services: &Services,
    ) -> Result<Cited<Graph>, CallError> {
        match &self.glance {
            Some(glance) if self.graph_of == Some(services.revision) => Ok(glance.graph.clone()),
            _ => {
                let graph = world::graph(caller).await?;
                self.graph_of = Some(services.revision);
                Ok(graph)
            }
        }
    }

    /// Lists instances when something moves, or now and then.
    async fn current_instances(
        &mut self,
        caller: &dyn Caller,
        services: &Services,
        now: Time,
    ) -> Result<Cited<Instances>, CallError> {
        let restarts = services
            .services
            .iter()
            .map(|service| u64::from(service.restarts))
            .sum();
        let calm = services.services.iter().all(|service| {
            matches!(
                service.state,
                Some(ServiceState::Healthy | ServiceState::Idle)
            ) && service.findings.is_empty()
        });
        let fresh =
            calm && restarts == self.restarts && now.since(self.instances_at) < INSTANCES_AGE;
        match &self.glance {
            Some(glance) if fresh => Ok(glance.instances.clone()),
            _ => {
                let instances = world::instances(caller).await?;
                (self.instances_at, self.restarts) = (now, restarts);
                Ok(instances)
            }
        }
    }

    /// Reads the oldest watched series anew, a few a glance, and forgets those of subjects that are gone.
    async fn read_series(
        &mut self,
        caller: &dyn Caller,
        budget: &Budget,
        glance: &mut Glance,
    ) -> Result<(), CallError> {
        let watched = watched(glance, budget.series_per_glance);
        glance
            .series
            .retain(|subject, _| watched.contains_key(subject));
        self.read_at
            .retain(|subject, _| watched.contains_key(subject));
        let mut due: Vec<(Time, Subject)> = watched
            .keys()
            .map(|subject| {
                (
                    self.read_at.get(subject).copied().unwrap_or_default(),
                    subject.clone(),
                )
            })
            .filter(|(at, _)| glance.now.since(*at) >= SERIES_AGE)
            .collect();
        due.sort();
        for (_, subject) in due.into_iter().take(READS_PER_GLANCE) {
            let kinds = watched.get(&subject).map_or(&[][..], |kinds| kinds);
            let read = world::signals(caller, &subject, kinds, WINDOW).await;
            self.read_at.insert(subject.clone(), glance.now);
            if let Some(signals) = known(read)? {
                glance.series.insert(subject, signals);
            }
        }
        Ok(())
    }
}

/// Which series are watched all the time: promises, memory under a limit, volumes, machines' disks.
fn watched(glance: &Glance, limit: usize) -> BTreeMap<Subject, &'static [SignalKind]> {
    const PROMISED: &[SignalKind] = &[
        SignalKind::ErrorRatio,
        SignalKind::LatencyP50,
        SignalKind::LatencyP99,
        SignalKind::RequestRate,
        SignalKind::DiskShare,
    ];
    const MEMORY: &[SignalKind] = &[SignalKind::MemoryShare];
    const DISK: &[SignalKind] = &[SignalKind::DiskShare];
    let mut watched = BTreeMap::new();
    let nodes: BTreeSet<&NodeName> = glance
        .instances
        .value
        .instances
        .iter()
        .map(|one| &one.seen.node)
        .collect();
    watched.extend(
        nodes
            .into_iter()
            .take(4)
            .map(|node| (Subject::Node(node.clone()), DISK)),
    );
    for (service, note) in &glance.notes {
        if note.objectives.is_some() || note.has_volumes {
            watched.insert(Subject::Service(service.clone()), PROMISED);
        }
    }
    let limited = |one: &&InstanceInfo| {
        one.seen.pid.is_some()
            && glance
                .notes
                .get(&one.seen.service)
                .is_some_and(|note| note.memory_limited)
    };
    for one in glance.instances.value.instances.iter().filter(limited) {
        watched.insert(Subject::Instance(one.instance.clone()), MEMORY);
    }
    // Beyond the limit the window moves on with time, so that every subject gets its turn.
    let skip = if watched.len() > limit {
        usize::try_from(glance.now.0 / 60_000)
            .unwrap_or(0)
            .wrapping_mul(limit)
            % watched.len()
    } else {
        0
    };
    let turned: Vec<_> = watched
        .iter()
        .cycle()
        .skip(skip)
        .take(watched.len().min(limit))
        .collect();
    turned
        .into_iter()
        .map(|(subject, kinds)| (subject.clone(), *kinds))
        .collect()
}

/// Reads the specs of services whose generation is new to us.
async fn read_notes(caller: &dyn Caller, glance: &mut Glance) -> Result<(), CallError> {
    let listed: BTreeMap<ServiceKey, Generation> = glance
        .services
        .value
        .services
        .iter()
        .map(|one| (one.service.clone(), one.generation))
        .collect();
    glance
        .notes
        .retain(|service, note| listed.get(service) == Some(&note.generation));
    let unknown: Vec<ServiceKey> = listed
        .into_keys()
        .filter(|service| !glance.notes.contains_key(service))
        .collect();
    for service in unknown.into_iter().take(READS_PER_GLANCE) {
        if let Some(detail) = known(world::service(caller, &service).await)? {
            glance.notes.insert(service, SpecNote::of(&detail.value));
        }
    }
    Ok(())
}

/// A failed read leaves its fact out; a closed pipe does not.
pub(crate) fn known<T>(read: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match read {
        Ok(fact) => Ok(Some(fact)),
        Err(CallError::Closed) => Err(CallError::Closed),
        Err(error) => {
            tracing::warn!(%error, "a fact could not be read");
            Ok(None)
        }
    }
}
