//! Looking: a glance every few seconds, and on a symptom a situation in depth. Reads only.
//!
//! A call that fails leaves its fact out; only a closed pipe ends the look. What is kept between
//! glances is bounded: one set of series a subject, one note a service.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    id::{Generation, NodeName, Revision, ServiceKey},
    plan::ServiceState,
    signal::{SignalKind, Subject},
    spec::{Objectives, Restart},
    time::{Span, Time},
};
use ostler_tools::answer::{Graph, InstanceInfo, Instances, ServiceDetail, Services, Signals};

use crate::{
    budget::Budget,
    client::{CallError, Caller},
    situation::{Cited, ServiceFacts, Situation},
    symptom::Symptom,
    template, world,
};

/// How far back series are read.
pub const WINDOW: Span = Span::minutes(10);
/// How old a series may be before it is read again.
const SERIES_AGE: Span = Span::seconds(10);
/// How old the list of instances may be while nothing moves.
const INSTANCES_AGE: Span = Span::seconds(15);
/// Series, and services, read anew in one glance.
const READS_PER_GLANCE: usize = 8;
/// Services looked at in depth for one situation.
const CHAIN_LIMIT: usize = 6;
/// Instances of a service looked at in depth.
const INSTANCES_LIMIT: usize = 4;

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
    /// Until when a new instance must be ready.
    pub healthy_deadline: Span,
    /// How it is restarted.
    pub restart: Restart,
}

impl SpecNote {
    fn of(detail: &ServiceDetail) -> Self {
        Self {
            generation: detail.summary.generation,
            objectives: detail.spec.objectives.clone(),
            memory_limited: detail.spec.resources.limits.memory.is_some(),
            has_volumes: !detail.spec.volumes.is_empty(),
            healthy_deadline: detail.spec.update.healthy_deadline,
            restart: detail.spec.restart,
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
}

impl Look {
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
        let (notes, series) = self
            .glance
            .take()
            .map_or_else(Default::default, |glance| (glance.notes, glance.series));
        let mut glance = Glance {
            now,
            services,
            instances,
            graph,
            notes,
            series,
        };
        read_notes(caller, &mut glance).await?;
        self.read_series(caller, budget, &mut glance).await?;
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
fn known<T>(read: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match read {
        Ok(fact) => Ok(Some(fact)),
        Err(CallError::Closed) => Err(CallError::Closed),
        Err(error) => {
            tracing::warn!(%error, "a fact could not be read");
            Ok(None)
        }
    }
}

/// Gathers one situation in depth within the budget's calls.
pub struct Gather<'a> {
    caller: &'a dyn Caller,
    now: Time,
    calls_left: u32,
}

impl<'a> Gather<'a> {
    /// Begins with the whole budget of a turn.
    #[must_use]
    pub fn new(caller: &'a dyn Caller, budget: &Budget, now: Time) -> Self {
        Self {
            caller,
            now,
            calls_left: budget.calls_per_turn,
        }
    }

    /// The situation around one service: itself, and what it needs and is unwell.
    ///
    /// # Errors
    /// When the pipe is closed.
    pub async fn situation(
        mut self,
        glance: &Glance,
        subject: &ServiceKey,
        symptoms: &[Symptom],
    ) -> Result<Situation, CallError> {
        let mut situation = Situation {
            now: self.now,
            subject: subject.clone(),
            symptoms: symptoms.to_vec(),
            services: glance.services.clone(),
            instances: glance.instances.clone(),
            graph: glance.graph.clone(),
            facts: BTreeMap::new(),
            nodes: BTreeMap::new(),
        };
        for service in chain(&situation, subject) {
            if let Some(facts) = self.facts(&service).await? {
                situation.facts.insert(service, facts);
            }
        }
        self.nodes(&mut situation).await?;
        Ok(situation)
    }

    fn spend(&mut self) -> bool {
        let has = self.calls_left > 0;
        self.calls_left = self.calls_left.saturating_sub(1);
        has
    }

    async fn facts(&mut self, service: &ServiceKey) -> Result<Option<ServiceFacts>, CallError> {
        if !self.spend() {
            return Ok(None);
        }
        let Some(detail) = known(world::service(self.caller, service).await)? else {
            return Ok(None);
        };
        let changes = if self.spend() {
            known(world::changes(self.caller, service).await)?
        } else {
            None
        };
        let kinds = [
            SignalKind::RequestRate,
            SignalKind::ErrorRatio,
            SignalKind::LatencyP99,
            SignalKind::DiskShare,
        ];
        let signals = self
            .signals(Subject::Service(service.clone()), &kinds)
            .await?;
        let mut facts = ServiceFacts {
            detail,
            changes,
            signals,
            instance_signals: BTreeMap::new(),
            logs: BTreeMap::new(),
        };
        self.instances(&mut facts).await?;
        Ok(Some(facts))
    }

    /// Signals and logs of the instances that are worst off, and of one that is well, to compare.
    async fn instances(&mut self, facts: &mut ServiceFacts) -> Result<(), CallError> {
        let mut worst: Vec<InstanceInfo> = facts.detail.value.instances.clone();
        worst.sort_by_key(|one| (one.ready, std::cmp::Reverse(one.seen.exits.len())));
        let well = worst
            .iter()
            .rposition(|one| one.ready)
            .filter(|index| *index >= INSTANCES_LIMIT);
        if let Some(index) = well {
            worst.swap(INSTANCES_LIMIT - 1, index);
        }
        let kinds = [
            SignalKind::CpuCores,
            SignalKind::MemoryShare,
            SignalKind::MemoryBytes,
            SignalKind::ProbePassed,
        ];
        for one in worst.into_iter().take(INSTANCES_LIMIT) {
            if let Some(signals) = self
                .signals(Subject::Instance(one.instance.clone()), &kinds)
                .await?
            {
                facts.instance_signals.insert(one.instance.clone(), signals);
            }
            if !self.spend() {
                break;
            }
            if let Some(log) = known(world::logs(self.caller, &one.instance).await)? {
                let templates = template::fold(
                    log.value
                        .untrusted_lines
                        .iter()
                        .map(|line| line.text.as_str()),
                );
                facts.logs.insert(
                    one.instance.clone(),
                    Cited {
                        call: log.call,
                        value: templates,
                    },
                );
            }
        }
        Ok(())
    }

    async fn signals(
        &mut self,
        subject: Subject,
        kinds: &[SignalKind],
    ) -> Result<Option<Cited<Signals>>, CallError> {
        if !self.spend() {
            return Ok(None);
        }
        known(world::signals(self.caller, &subject, kinds, WINDOW).await)
    }

    async fn nodes(&mut self, situation: &mut Situation) -> Result<(), CallError> {
        let nodes: BTreeSet<NodeName> = situation
            .facts
            .values()
            .flat_map(ServiceFacts::instances)
            .map(|one| one.seen.node.clone())
            .collect();
        let kinds = [
            SignalKind::CpuPressure,
            SignalKind::MemoryPressure,
            SignalKind::IoPressure,
            SignalKind::DiskShare,
        ];
        for node in nodes.into_iter().take(INSTANCES_LIMIT) {
            if let Some(signals) = self.signals(Subject::Node(node.clone()), &kinds).await? {
                situation.nodes.insert(node, signals);
            }
        }
        Ok(())
    }
}

/// The subject and, walking through unwell services, what they need and is unwell too; the culprit first.
fn chain(situation: &Situation, subject: &ServiceKey) -> Vec<ServiceKey> {
    let web = situation.web();
    let mut chain = vec![web.culprit_of(subject)];
    let mut open = vec![subject];
    while let Some(here) = open.pop() {
        if here != subject && chain.contains(&here) && chain.first() != Some(&here) {
            continue;
        }
        if !chain.contains(&here) {
            chain.push(here);
        }
        open.extend(
            web.needs_of(here)
                .filter(|need| web.is_unwell(need) && !chain.contains(need)),
        );
    }
    chain.truncate(CHAIN_LIMIT);
    chain.into_iter().cloned().collect()
}
