//! From the gate's view of the world to a capture, without logs and with secrets still in it. Pure.

use std::collections::BTreeSet;

use ostler_core::{
    event::{Event, Happening},
    id::{NodeName, ServiceKey},
    incident::{Incident, IncidentState},
    intent::{Past, Service},
    signal::{SignalReader, Subject},
    time::{Span, Time},
};
use ostler_tools::{
    answer::{
        Capture, CapturedGeneration, CapturedInstance, CapturedNode, CapturedPast, CapturedSeries,
        CapturedService, PastChangeInfo,
    },
    view::WorldView,
};

use super::scope::scope;
use crate::plan::State;

/// How far back signals are kept: what agents look at.
const WINDOW: Span = Span::minutes(10);
/// Most points of a series: as many as agents read.
const POINTS: usize = 60;
/// How far back changes are kept.
const CHANGES_WINDOW: Span = Span::minutes(6 * 60);
/// Most changes of a capture.
const CHANGES: usize = 100;
/// How many of the newest changes are looked through for those.
pub(super) const CHANGES_READ: u32 = 500;
/// Most events of a capture.
const EVENTS: usize = 300;
/// Most past incidents of a capture.
const PAST: usize = 20;
/// Most instances of a capture.
const INSTANCES: usize = 300;

/// What there is to look at.
pub(super) struct Scene<'a> {
    pub(super) state: &'a State,
    pub(super) world: &'a WorldView,
    pub(super) signals: &'a dyn SignalReader,
    pub(super) now: Time,
}

impl Scene<'_> {
    /// The world around an incident.
    pub(super) fn capture(&self, incident: &Incident) -> Capture {
        let (keys, more) = scope(&self.state.intent, &self.world.observed, &incident.service);
        let mut left_out = Vec::new();
        if more > 0 {
            left_out.push(format!("{more} services further away"));
        }
        let mut room = INSTANCES;
        let services: Vec<CapturedService> = keys
            .iter()
            .filter_map(|key| self.service(key, &mut room, &mut left_out))
            .collect();
        Capture {
            incident: incident.id.clone(),
            at: self.now,
            nodes: self.nodes(&services),
            services,
            changes: Vec::new(),
            events: self.events(&keys),
            past: self.past(incident, &keys),
            secrets: self.secrets(&keys),
            left_out,
        }
    }

    fn service(
        &self,
        key: &ServiceKey,
        room: &mut usize,
        left_out: &mut Vec<String>,
    ) -> Option<CapturedService> {
        let service = self.state.intent.services.get(key)?;
        let of_it = |seen: &ostler_core::observed::InstanceSeen| seen.service == *key;
        let all = self.world.observed.instances.iter();
        let all: Vec<_> = all.filter(|(_, seen)| of_it(seen)).collect();
        let more = all.len().saturating_sub(*room);
        if more > 0 {
            left_out.push(format!("{more} instances of `{key}`"));
        }
        let taken = all
            .into_iter()
            .take(*room)
            .map(|(id, seen)| CapturedInstance {
                instance: id.clone(),
                seen: seen.clone(),
                signals: self.series(&Subject::Instance(id.clone())),
                untrusted_lines: Vec::new(),
            });
        let instances: Vec<CapturedInstance> = taken.collect();
        *room -= instances.len();
        Some(CapturedService {
            service: key.clone(),
            generation: service.generation,
            changed_at: service.changed_at,
            settled: service.settled,
            replicas: service.replicas,
            spec: (*service.spec).clone(),
            earlier: earlier(service),
            signals: self.series(&Subject::Service(key.clone())),
            instances,
        })
    }

    fn series(&self, subject: &Subject) -> Vec<CapturedSeries> {
        let from = self.now - WINDOW;
        let kinds = self.signals.kinds(subject).into_iter();
        let read = kinds.map(|kind| CapturedSeries {
            kind,
            points: self
                .signals
                .series(subject, kind, from, self.now, POINTS)
                .points,
        });
        read.filter(|series| !series.points.is_empty()).collect()
    }

    fn nodes(&self, services: &[CapturedService]) -> Vec<CapturedNode> {
        let instances = services.iter().flat_map(|service| &service.instances);
        let names: BTreeSet<&NodeName> = instances.map(|one| &one.seen.node).collect();
        let node = |name: &NodeName| CapturedNode {
            node: name.clone(),
            seen: self.world.observed.nodes.get(name).cloned(),
            cordoned: self.state.intent.cordoned.contains(name),
            draining: self.state.intent.draining.contains(name),
            signals: self.series(&Subject::Node(name.clone())),
        };
        names.into_iter().map(node).collect()
    }

    /// The newest ends and failed starts of these services.
    fn events(&self, keys: &[ServiceKey]) -> Vec<Event> {
        let ours = |event: &&Event| {
            let trouble = matches!(
                event.what,
                Happening::Exited { .. } | Happening::StartFailed { .. }
            );
            trouble && event.service.as_ref().is_some_and(|key| keys.contains(key))
        };
        let newest = self.world.events.iter().rev().filter(ours).take(EVENTS);
        let mut events: Vec<Event> = newest.cloned().collect();
        events.reverse();
        events
    }

    /// Incidents of these services that were over, with what was done about them.
    fn past(&self, own: &Incident, keys: &[ServiceKey]) -> Vec<CapturedPast> {
        let over = |incident: &&Incident| {
            incident.id != own.id
                && matches!(
                    incident.state,
                    IncidentState::Resolved | IncidentState::Closed
                )
                && keys.contains(&incident.service)
        };
        let mut all: Vec<&Incident> = self.state.records.incidents.values().filter(over).collect();
        all.sort_by_key(|incident| std::cmp::Reverse(incident.opened_at));
        let past = all
            .into_iter()
            .filter_map(|incident| self.one_past(incident));
        past.take(PAST).collect()
    }

    fn one_past(&self, incident: &Incident) -> Option<CapturedPast> {
        let cause = incident.cause.as_ref()?;
        let last = incident.proposals.last()?;
        let proposal = self.state.records.proposals.get(last)?;
        let call = proposal.body.calls.first()?;
        (cause.culprit == incident.service).then(|| CapturedPast {
            opened_at: incident.opened_at,
            service: incident.service.clone(),
            symptoms: incident.symptoms.clone(),
            cause: cause.kind,
            tool: call.tool.clone(),
            became: proposal.state,
            corrected: incident
                .correction
                .as_ref()
                .map(|correction| correction.words.clone()),
        })
    }

    fn secrets(&self, keys: &[ServiceKey]) -> Vec<ostler_core::intent::SecretKey> {
        let namespaces: BTreeSet<_> = keys.iter().map(|key| &key.namespace).collect();
        let secrets = self.state.intent.secrets.keys();
        secrets
            .filter(|secret| namespaces.contains(&secret.namespace))
            .cloned()
            .collect()
    }
}

fn earlier(service: &Service) -> Vec<CapturedGeneration> {
    let good = match (&service.stable, service.settled) {
        (Some(stable), false) => Some(stable.generation),
        _ => None,
    };
    let forgotten = |stable: &&Past| {
        let is_it = |past: &Past| past.generation == stable.generation;
        !service.history.iter().any(is_it)
    };
    let all = service
        .history
        .iter()
        .chain(service.stable.iter().filter(forgotten));
    let generation = |past: &Past| CapturedGeneration {
        generation: past.generation,
        changed_at: past.changed_at,
        last_good: good == Some(past.generation),
        spec: (*past.spec).clone(),
    };
    all.map(generation).collect()
}

/// Of all changes, newest first, those of a capture.
pub(super) fn changes(
    all: impl Iterator<Item = PastChangeInfo>,
    capture: &Capture,
) -> Vec<PastChangeInfo> {
    let keys: BTreeSet<&ServiceKey> = capture.services.iter().map(|one| &one.service).collect();
    let ours = |change: &PastChangeInfo| {
        capture.at.since(change.at) <= CHANGES_WINDOW
            && change.services.iter().any(|key| keys.contains(key))
    };
    let cut = |mut change: PastChangeInfo| {
        change.services.retain(|key| keys.contains(key));
        change
    };
    all.filter(ours).map(cut).take(CHANGES).collect()
}
