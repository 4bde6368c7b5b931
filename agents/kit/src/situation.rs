//! Everything a planner may know about one symptom: typed, cited, bounded.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    id::{CallId, Generation, InstanceId, NodeName, ServiceKey},
    incident::Evidence,
    plan::{Finding, ServiceState},
    signal::{Point, SignalKind},
    time::Time,
};
use ostler_tools::answer::{
    Changes, GenerationInfo, Graph, IncidentDetail, InstanceInfo, Instances, ServiceDetail,
    ServiceSummary, Services, Signals,
};

use crate::{
    refused::Refused,
    symptom::{Symptom, SymptomKind},
    template::Template,
    text,
};

/// A fact and the recorded call that showed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cited<T> {
    /// The call.
    pub call: CallId,
    /// The fact.
    pub value: T,
}

impl<T> Cited<T> {
    /// A claim that this call shows.
    pub fn claim(&self, words: impl AsRef<str>) -> Evidence {
        Evidence {
            claim: text::claim(words.as_ref()),
            call: self.call.clone(),
            untrusted: false,
        }
    }

    /// A claim that quotes text which a workload wrote.
    pub fn untrusted_claim(&self, words: impl AsRef<str>) -> Evidence {
        Evidence {
            untrusted: true,
            ..self.claim(words)
        }
    }
}

/// One symptom with everything that was gathered about it.
#[derive(Debug, Clone)]
pub struct Situation {
    /// When it was gathered.
    pub now: Time,
    /// The service whose symptom is looked into.
    pub subject: ServiceKey,
    /// Every symptom that was noticed at the time, of any service.
    pub symptoms: Vec<Symptom>,
    /// Every service at a glance.
    pub services: Cited<Services>,
    /// Every instance.
    pub instances: Cited<Instances>,
    /// Who needs whom.
    pub graph: Cited<Graph>,
    /// The subject and what it needs and is unwell, in detail.
    pub facts: BTreeMap<ServiceKey, ServiceFacts>,
    /// Who calls the culprit, where that serves badly: what they are, their changes and how much they are asked for.
    pub callers: BTreeMap<ServiceKey, ServiceFacts>,
    /// Pressure and disks of the machines that run the services in `facts`.
    pub nodes: BTreeMap<NodeName, Cited<Signals>>,
    /// Incidents of the past with symptoms like these, newest first.
    pub past: Vec<Cited<IncidentDetail>>,
    /// Plans for this incident that a person said no to, wanting another.
    pub refused: Vec<Refused>,
}

/// Who needs whom and who is unwell: enough to walk to a culprit.
#[derive(Debug, Clone, Copy)]
pub struct Web<'a> {
    /// Every service at a glance.
    pub services: &'a Services,
    /// Who needs whom.
    pub graph: &'a Graph,
    /// What was noticed.
    pub symptoms: &'a [Symptom],
}

impl<'a> Web<'a> {
    /// The services that this one needs directly.
    pub fn needs_of(self, service: &'a ServiceKey) -> impl Iterator<Item = &'a ServiceKey> {
        self.graph
            .needs
            .iter()
            .filter(move |edge| &edge.service == service)
            .map(|edge| &edge.needs)
    }

    /// The services that need this one directly.
    pub fn callers_of(self, service: &'a ServiceKey) -> impl Iterator<Item = &'a ServiceKey> {
        self.graph
            .needs
            .iter()
            .filter(move |edge| &edge.needs == service)
            .map(|edge| &edge.service)
    }

    /// Whether a service shows a symptom.
    #[must_use]
    pub fn has_symptom(self, service: &ServiceKey) -> bool {
        self.symptoms
            .iter()
            .any(|symptom| &symptom.service == service)
    }

    /// Whether a service is unwell by its state or by a symptom.
    #[must_use]
    pub fn is_unwell(self, service: &ServiceKey) -> bool {
        let summary = self
            .services
            .services
            .iter()
            .find(|summary| &summary.service == service);
        let state = summary.and_then(|summary| summary.state);
        matches!(state, Some(ServiceState::Down | ServiceState::Degraded))
            || self.has_symptom(service)
    }

    /// The needed service furthest upstream that is unwell, walking only through unwell ones; the
    /// service itself when all it needs is well. By name where several are equally far.
    #[must_use]
    pub fn culprit_of(self, service: &'a ServiceKey) -> &'a ServiceKey {
        let mut seen = BTreeSet::from([service]);
        let mut deepest = (0_usize, service);
        let mut open = vec![(0_usize, service)];
        while let Some((depth, here)) = open.pop() {
            if depth > deepest.0 || (depth == deepest.0 && depth > 0 && here < deepest.1) {
                deepest = (depth, here);
            }
            for need in self.needs_of(here) {
                if self.is_unwell(need) && seen.insert(need) {
                    open.push((depth + 1, need));
                }
            }
        }
        deepest.1
    }
}

/// One service in detail.
#[derive(Debug, Clone)]
pub struct ServiceFacts {
    /// Spec, instances, generations, events.
    pub detail: Cited<ServiceDetail>,
    /// Changes that touched it, newest first.
    pub changes: Option<Cited<Changes>>,
    /// Its own signals.
    pub signals: Option<Cited<Signals>>,
    /// Its instances' signals.
    pub instance_signals: BTreeMap<InstanceId, Cited<Signals>>,
    /// Its instances' logs, folded. Untrusted.
    pub logs: BTreeMap<InstanceId, Cited<Vec<Template>>>,
}

impl Situation {
    /// A service at a glance.
    #[must_use]
    pub fn summary(&self, service: &ServiceKey) -> Option<&ServiceSummary> {
        self.services
            .value
            .services
            .iter()
            .find(|summary| &summary.service == service)
    }

    /// How services hang together now.
    #[must_use]
    pub fn web(&self) -> Web<'_> {
        Web {
            services: &self.services.value,
            graph: &self.graph.value,
            symptoms: &self.symptoms,
        }
    }

    /// The symptoms of one service.
    pub fn symptoms_of<'a>(&'a self, service: &'a ServiceKey) -> impl Iterator<Item = &'a Symptom> {
        self.symptoms
            .iter()
            .filter(move |symptom| &symptom.service == service)
    }

    /// When a service's symptoms began, as far as known. A disk fills up long before that counts: it
    /// dates the trouble only where there is no other.
    #[must_use]
    pub fn onset(&self, service: &ServiceKey) -> Time {
        let fills = |symptom: &&Symptom| symptom.kind == SymptomKind::DiskFilling;
        let since = |symptom: &Symptom| symptom.since;
        let other = self.symptoms_of(service).filter(|symptom| !fills(symptom));
        let began = other.map(since).min();
        began
            .or_else(|| self.symptoms_of(service).map(since).min())
            .unwrap_or(self.now)
    }
}

impl ServiceFacts {
    /// Which service.
    #[must_use]
    pub fn key(&self) -> &ServiceKey {
        &self.detail.value.summary.service
    }

    /// The current generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.detail.value.summary.generation
    }

    /// Its instances.
    pub fn instances(&self) -> impl Iterator<Item = &InstanceInfo> {
        self.detail.value.instances.iter()
    }

    /// What rules of the core found.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.detail.value.summary.findings.iter()
    }

    /// The current generation's entry.
    #[must_use]
    pub fn current(&self) -> Option<&GenerationInfo> {
        self.detail
            .value
            .generations
            .iter()
            .find(|generation| generation.current)
    }

    /// The generation to go back to: the last good one, or where the current one had settled the one before it.
    #[must_use]
    pub fn way_back(&self) -> Option<&GenerationInfo> {
        let others = || {
            self.detail
                .value
                .generations
                .iter()
                .filter(|generation| !generation.current)
        };
        others()
            .find(|generation| generation.last_good)
            .or_else(|| others().max_by_key(|generation| generation.generation))
    }

    /// Points of a service's own series; empty when unknown.
    #[must_use]
    pub fn points(&self, kind: SignalKind) -> &[Point] {
        self.signals
            .as_ref()
            .map_or(&[], |signals| points(&signals.value, kind))
    }

    /// Points of an instance's series; empty when unknown.
    #[must_use]
    pub fn instance_points(&self, instance: &InstanceId, kind: SignalKind) -> &[Point] {
        self.instance_signals
            .get(instance)
            .map_or(&[], |signals| points(&signals.value, kind))
    }

    /// Log templates with the calls that showed them.
    pub fn templates(
        &self,
    ) -> impl Iterator<Item = (&InstanceId, &Cited<Vec<Template>>, &Template)> {
        self.logs
            .iter()
            .flat_map(|(id, log)| log.value.iter().map(move |template| (id, log, template)))
    }
}

/// Points of one kind; empty when unknown.
#[must_use]
pub fn points(signals: &Signals, kind: SignalKind) -> &[Point] {
    signals
        .series
        .iter()
        .find(|series| series.kind == kind)
        .map_or(&[], |series| &series.points)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Nothing known about a service; other tests begin with it.
    pub(crate) fn empty(service: &str) -> Situation {
        fn cited<T: Default>() -> Cited<T> {
            Cited {
                call: CallId::new("call_1").unwrap(),
                value: T::default(),
            }
        }
        Situation {
            now: Time(0),
            subject: service.parse().unwrap(),
            symptoms: Vec::new(),
            services: cited(),
            instances: cited(),
            graph: cited(),
            facts: BTreeMap::new(),
            callers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            past: Vec::new(),
            refused: Vec::new(),
        }
    }
}
