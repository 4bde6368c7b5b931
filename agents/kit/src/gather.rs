//! Gathering: one situation in depth, within a turn's calls. Reads only.
//!
//! A call that fails leaves its fact out; only a closed pipe ends it.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    id::{NodeName, ServiceKey},
    signal::{SignalKind, Subject},
    time::Time,
};
use ostler_tools::answer::{InstanceInfo, Signals};

use crate::{
    budget::Budget,
    client::{CallError, Caller},
    look::{Glance, WINDOW, known},
    recall,
    refused::Refused,
    situation::{Cited, ServiceFacts, Situation},
    symptom::{Symptom, SymptomKind},
    template, world,
};

/// Services looked at in depth for one situation.
const CHAIN_LIMIT: usize = 6;
/// Callers of the culprit that are looked at.
const CALLERS_LIMIT: usize = 4;
/// Instances of a service looked at in depth.
const INSTANCES_LIMIT: usize = 4;

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
        refused: &[Refused],
    ) -> Result<Situation, CallError> {
        let mut situation = Situation {
            now: self.now,
            subject: subject.clone(),
            symptoms: symptoms.to_vec(),
            services: glance.services.clone(),
            instances: glance.instances.clone(),
            graph: glance.graph.clone(),
            facts: BTreeMap::new(),
            callers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            past: Vec::new(),
            refused: refused.to_vec(),
        };
        for service in chain(&situation, subject) {
            if let Some(facts) = self.facts(&service).await? {
                situation.facts.insert(service, facts);
            }
        }
        self.nodes(&mut situation).await?;
        self.past(&mut situation).await?;
        self.callers(&mut situation).await?;
        Ok(situation)
    }

    fn spend(&mut self) -> bool {
        let has = self.calls_left > 0;
        self.calls_left = self.calls_left.saturating_sub(1);
        has
    }

    /// A service without its instances' signals and logs.
    async fn outline(&mut self, service: &ServiceKey) -> Result<Option<ServiceFacts>, CallError> {
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
        Ok(Some(ServiceFacts {
            detail,
            changes,
            signals,
            instance_signals: BTreeMap::new(),
            logs: BTreeMap::new(),
        }))
    }

    async fn facts(&mut self, service: &ServiceKey) -> Result<Option<ServiceFacts>, CallError> {
        let Some(mut facts) = self.outline(service).await? else {
            return Ok(None);
        };
        self.instances(&mut facts).await?;
        Ok(Some(facts))
    }

    /// Who calls the culprit, where it answers badly: they may send it what it cannot bear.
    async fn callers(&mut self, situation: &mut Situation) -> Result<(), CallError> {
        for caller in callers(situation) {
            if let Some(facts) = self.outline(&caller).await? {
                situation.callers.insert(caller, facts);
            }
        }
        Ok(())
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
            SignalKind::ProbeSeconds,
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

    /// Incidents of the past that looked like this.
    async fn past(&mut self, situation: &mut Situation) -> Result<(), CallError> {
        if !self.spend() {
            return Ok(());
        }
        let Some(all) = known(world::incidents(self.caller, None).await)? else {
            return Ok(());
        };
        for alike in recall::alike(&all.value.incidents, situation) {
            if !self.spend() {
                break;
            }
            if let Some(past) = known(world::incident(self.caller, &alike.id).await)? {
                situation.past.push(past);
            }
        }
        Ok(())
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

/// Who calls the culprit, where that answers badly.
fn callers(situation: &Situation) -> Vec<ServiceKey> {
    let web = situation.web();
    let culprit = web.culprit_of(&situation.subject);
    let badly = |symptom: &Symptom| {
        let badly = [SymptomKind::ErrorRatio, SymptomKind::Latency];
        badly.contains(&symptom.kind)
    };
    if !situation.symptoms_of(culprit).any(badly) {
        return Vec::new();
    }
    let callers = web.callers_of(culprit).take(CALLERS_LIMIT);
    callers.cloned().collect()
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
