//! The table itself: instances as seen, what is being done to them, recent events.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use ostler_core::{
    autoscale::Recommendation,
    event::Event,
    id::{AgentName, Generation, InstanceId, NodeName, ServiceKey},
    observed::{Answer, Health, InstanceSeen, NodeSeen, Observed, Phase, Problem, Resize},
    plan::{Judged, ServiceStatus},
    reconcile::RESIZE_AGAIN,
    spec::Resources,
    time::Time,
    units::MilliCpu,
};
use ostler_runtime::backend::Started;
use ostler_tools::{
    evals::EvalsSeen,
    view::{AgentLine, AgentStatus, DaemonStatus, UpgradesSeen},
};

/// Most events remembered.
pub const EVENTS_LIMIT: usize = 2_000;

/// Most lines remembered of each agent.
pub const AGENT_LINES_LIMIT: usize = 500;

/// What is being done to an instance right now; the backend's news about it waits meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// Being started.
    Starting,
    /// Being stopped.
    Stopping,
    /// Being removed.
    Removing,
}

/// Everything known of the running fleet.
#[derive(Debug, Default)]
pub struct Table {
    /// Machines, instances, routes.
    pub observed: Observed,
    /// What is being done.
    pub busy: BTreeMap<InstanceId, Busy>,
    /// Instances that are being resized; all else about them goes on meanwhile.
    pub resizing: BTreeSet<InstanceId>,
    /// When an instance could not be given the CPU that its load wants, for the last time.
    refused: BTreeMap<InstanceId, Time>,
    /// How each service stood at the last plan.
    pub report: BTreeMap<ServiceKey, ServiceStatus>,
    /// What the load wanted of each service that scales with it, at the last plan.
    pub scaling: BTreeMap<ServiceKey, Recommendation>,
    /// How new versions did that have a part in their service's traffic, at the last plan.
    pub analysis: BTreeMap<ServiceKey, Judged>,
    /// The agents' processes.
    pub agents: BTreeMap<AgentName, AgentStatus>,
    /// What each agent wrote of late.
    pub agent_lines: BTreeMap<AgentName, Arc<VecDeque<AgentLine>>>,
    /// New versions in registries, as last seen.
    pub upgrades: Arc<UpgradesSeen>,
    /// Kept reports of eval runs, as last seen.
    pub evals: Arc<EvalsSeen>,
    /// The daemon about itself.
    pub daemon: DaemonStatus,
    /// Recent events, oldest first.
    pub events: VecDeque<Event>,
    next_event: u64,
}

impl Table {
    /// Numbers and remembers an event.
    pub fn push_event(&mut self, mut event: Event) {
        self.next_event += 1;
        event.seq = self.next_event;
        if self.events.len() >= EVENTS_LIMIT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The number of the last event.
    #[must_use]
    pub const fn last_event(&self) -> u64 {
        self.next_event
    }

    /// Remembers what an agent wrote.
    pub fn heard_from(&mut self, agent: &AgentName, new: Vec<AgentLine>) {
        let lines = Arc::make_mut(self.agent_lines.entry(agent.clone()).or_default());
        lines.extend(new);
        lines.drain(..lines.len().saturating_sub(AGENT_LINES_LIMIT));
    }

    /// Sets what is known of a machine.
    pub fn set_node(&mut self, node: &NodeName, seen: NodeSeen) {
        self.observed.nodes.insert(node.clone(), seen);
    }

    /// An instance begins to be started.
    pub fn starting(&mut self, instance: &InstanceId, attempt: u32, now: Time) {
        self.busy.insert(instance.clone(), Busy::Starting);
        if let Some(seen) = self.observed.instances.get_mut(instance) {
            seen.phase = Phase::Starting;
            seen.attempt = attempt;
            seen.since = now;
            seen.health = Health::default();
        }
    }

    /// It counts as made from that generation, whose resources it has or is about to start with.
    pub fn has_size(
        &mut self,
        instance: &InstanceId,
        generation: Generation,
        resources: &Resources,
        at: Time,
    ) {
        if let Some(seen) = self.observed.instances.get_mut(instance) {
            seen.generation = generation;
            (seen.cpu, seen.memory) = resources.reserved();
            seen.resize = Some(Resize {
                to: generation,
                at,
                trouble: None,
            });
        }
    }

    /// Whether it may be given other CPU now; then that is under way.
    pub fn may_follow(&mut self, instance: &InstanceId, now: Time) -> bool {
        let failed = self.refused.get(instance);
        failed.is_none_or(|at| now.since(*at) >= RESIZE_AGAIN)
            && self.resizing.insert(instance.clone())
    }

    /// Other CPU was given to one of that generation, or could not be.
    pub fn followed(
        &mut self,
        instance: &InstanceId,
        given: Option<(Generation, MilliCpu)>,
        now: Time,
    ) {
        self.resizing.remove(instance);
        self.refused.remove(instance);
        let Some(seen) = self.observed.instances.get_mut(instance) else {
            return;
        };
        match given {
            Some((generation, cpu)) if seen.generation == generation => seen.cpu = cpu,
            // Another generation's CPU came over it meanwhile: the order was late.
            Some(_) => {}
            None => {
                self.refused.insert(instance.clone(), now);
            }
        }
    }

    /// What came of a resize. Returns what came of the one before.
    pub fn resized(&mut self, instance: &InstanceId, outcome: Resize) -> Option<Resize> {
        self.resizing.remove(instance);
        let seen = self.observed.instances.get_mut(instance)?;
        seen.resize.replace(outcome)
    }

    /// A start succeeded.
    pub fn started(&mut self, instance: &InstanceId, started: &Started) {
        self.busy.remove(instance);
        if let Some(seen) = self.observed.instances.get_mut(instance) {
            seen.phase = Phase::Running;
            seen.since = started.at;
            seen.started_at = Some(started.at);
            seen.pid = started.pid;
            seen.address = started.address;
        }
    }

    /// A start failed.
    pub fn failed(&mut self, instance: &InstanceId, problem: Problem, now: Time) {
        self.busy.remove(instance);
        if let Some(seen) = self.observed.instances.get_mut(instance) {
            seen.phase = Phase::Failed { problem };
            seen.since = now;
            seen.pid = None;
        }
    }

    /// An instance begins to be stopped.
    pub fn stopping(&mut self, instance: &InstanceId, now: Time) {
        self.busy.insert(instance.clone(), Busy::Stopping);
        if let Some(seen) = self.observed.instances.get_mut(instance) {
            seen.phase = Phase::Stopping;
            seen.since = now;
        }
    }

    /// Nothing is being done to it any more; the backend's news counts again.
    pub fn idle(&mut self, instance: &InstanceId) {
        self.busy.remove(instance);
    }

    /// It is gone.
    pub fn gone(&mut self, instance: &InstanceId) -> Option<InstanceSeen> {
        self.busy.remove(instance);
        self.refused.remove(instance);
        self.observed.instances.remove(instance)
    }

    /// A probe's standing answer for one attempt; late answers of earlier attempts are ignored.
    /// Returns the answer that stood before, when this one differs in kind.
    pub fn answered(
        &mut self,
        instance: &InstanceId,
        attempt: u32,
        probe: ProbeName,
        answer: Answer,
    ) -> Option<Answer> {
        let seen = self.observed.instances.get_mut(instance)?;
        if seen.attempt != attempt || seen.phase != Phase::Running {
            return None;
        }
        let slot = match probe {
            ProbeName::Startup => &mut seen.health.startup,
            ProbeName::Liveness => &mut seen.health.liveness,
            ProbeName::Readiness => &mut seen.health.readiness,
        };
        let before = std::mem::replace(slot, answer);
        (std::mem::discriminant(&before) != std::mem::discriminant(slot)).then_some(before)
    }
}

/// Which of the three probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeName {
    /// Has it started?
    Startup,
    /// Does it live?
    Liveness,
    /// May it take traffic?
    Readiness,
}

impl ProbeName {
    /// As in specs and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
        }
    }
}
