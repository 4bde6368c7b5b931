//! Makes the answers about services and instances out of a view.

use std::collections::BTreeMap;

use ostler_core::{
    change::Change,
    event::{Event, Happening},
    facts,
    id::{InstanceId, ServiceKey},
    intent::{Intent, Past, Service},
    observed::{Answer, InstanceSeen, Phase},
};

use crate::{
    answer::{GenerationInfo, IncidentSummary, InstanceInfo, ProposalSummary, ServiceSummary},
    view::View,
};

/// A service at a glance.
pub fn summary(view: &View<'_>, key: &ServiceKey, service: &Service) -> ServiceSummary {
    let restarts = view.instances_of(key).map(|(_, seen)| again(seen)).sum();
    summary_of(view, (key, service), restarts)
}

/// Starts after the first.
const fn again(seen: &InstanceSeen) -> u32 {
    seen.attempt.saturating_sub(1)
}

/// Starts after the first of every service's instances, in one pass over them all.
pub fn restarts<'v>(view: &'v View<'_>) -> BTreeMap<&'v ServiceKey, u32> {
    let mut found = BTreeMap::new();
    for seen in view.world.observed.instances.values() {
        *found.entry(&seen.service).or_default() += again(seen);
    }
    found
}

/// The same, of a service whose instances' restarts are counted already.
pub fn summary_of(
    view: &View<'_>,
    (key, service): (&ServiceKey, &Service),
    restarts: u32,
) -> ServiceSummary {
    let status = view.world.report.get(key);
    let wanted = status.map_or(service.replicas, |status| status.wanted);
    let prices = view.world.daemon.prices.as_ref();
    ServiceSummary {
        service: key.clone(),
        state: status.map(|status| status.state),
        wanted,
        running: status.map_or(0, |status| status.running),
        ready: status.map_or(0, |status| status.ready),
        updated: status.map_or(0, |status| status.updated),
        generation: service.generation,
        settled: service.settled,
        rollout_waits: super::rollout::waits(service),
        changed_at: service.changed_at,
        image: service.spec.image.clone(),
        restarts,
        findings: status
            .map(|status| status.findings.clone())
            .unwrap_or_default(),
        cost: prices.map(|prices| prices.of(service.spec.reserved(), wanted)),
    }
}

/// One instance. Readiness is judged by the spec of its service as it is now.
pub fn instance(view: &View<'_>, id: &InstanceId, seen: &InstanceSeen) -> InstanceInfo {
    let probes = view
        .intent
        .services
        .get(&seen.service)
        .map(|service| service.spec.probes.clone());
    let routed = view.world.observed.routes.get(&seen.service);
    InstanceInfo {
        instance: id.clone(),
        ready: seen.is_ready(&probes.unwrap_or_default()),
        in_rotation: routed.is_some_and(|routed| routed.contains(id)),
        last_exit: seen.exits.last().map(ostler_core::observed::Exit::in_words),
        untrusted: untrusted_of(seen),
        seen: seen.clone(),
    }
}

fn untrusted_of(seen: &InstanceSeen) -> Vec<String> {
    let mut pointers = Vec::new();
    if matches!(seen.phase, Phase::Failed { .. }) {
        pointers.push("/phase/problem/detail".to_owned());
    }
    let probes = [
        ("startup", &seen.health.startup),
        ("liveness", &seen.health.liveness),
        ("readiness", &seen.health.readiness),
    ];
    for (name, answer) in probes {
        if matches!(answer, Answer::No { .. }) {
            pointers.push(format!("/health/{name}/reason"));
        }
    }
    pointers
}

/// JSON pointers to text of workloads in a list of events that stands under `/events`.
pub fn untrusted_events(events: &[Event]) -> Vec<String> {
    let pointer = |(index, event): (usize, &Event)| match event.what {
        Happening::StartFailed { .. } => Some(format!("/events/{index}/what/problem/detail")),
        Happening::Probed { .. } => Some(format!("/events/{index}/what/detail")),
        _ => None,
    };
    events.iter().enumerate().filter_map(pointer).collect()
}

/// A service's generations: the current one, then those before, newest first.
pub fn generations(intent: &Intent, key: &ServiceKey, service: &Service) -> Vec<GenerationInfo> {
    let good = if service.settled {
        Some(service.generation)
    } else {
        service.stable.as_ref().map(|past| past.generation)
    };
    let current = GenerationInfo {
        generation: service.generation,
        changed_at: service.changed_at,
        image: service.spec.image.clone(),
        current: true,
        last_good: good == Some(service.generation),
        rollback: Vec::new(),
    };
    let earlier = |past: &Past| GenerationInfo {
        generation: past.generation,
        changed_at: past.changed_at,
        image: past.spec.image.clone(),
        current: false,
        last_good: good == Some(past.generation),
        rollback: going_back(intent, key, past),
    };
    std::iter::once(current)
        .chain(service.history.iter().map(earlier))
        .collect()
}

fn going_back(intent: &Intent, key: &ServiceKey, past: &Past) -> Vec<facts::DiffLine> {
    let change = Change::RollbackService {
        service: key.clone(),
        to: past.generation,
    };
    let diffs = facts::facts(intent, &change)
        .map(|facts| facts.diff)
        .unwrap_or_default();
    diffs.into_iter().flat_map(|diff| diff.lines).collect()
}

/// An incident at a glance.
pub fn incident(incident: &ostler_core::incident::Incident) -> IncidentSummary {
    let cause = incident.cause.as_ref();
    IncidentSummary {
        id: incident.id.clone(),
        service: incident.service.clone(),
        state: incident.state,
        title: incident.title.clone(),
        opened_at: incident.opened_at,
        closed_at: incident.closed_at,
        cause: cause.map(|cause| cause.kind),
        culprit: cause.map(|cause| cause.culprit.clone()),
        confidence: cause.map(|cause| cause.confidence),
        proposals: incident.proposals.clone(),
        symptoms: incident.symptoms.clone(),
        correction: incident.correction.clone(),
    }
}

/// A proposal at a glance.
pub fn proposal(proposal: &ostler_core::proposal::Proposal) -> ProposalSummary {
    ProposalSummary {
        id: proposal.id.clone(),
        incident: proposal.incident.clone(),
        by: proposal.by.clone(),
        at: proposal.at,
        state: proposal.state,
        title: proposal.body.title.clone(),
        calls: proposal
            .body
            .calls
            .iter()
            .map(|call| call.tool.clone())
            .collect(),
        approval: proposal.approval.clone(),
        outcome: proposal.outcome.clone(),
    }
}
