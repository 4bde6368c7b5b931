//! From what was captured of a live incident to a bundle. Pure.
//!
//! The truth is what was believed: whose word that is stands in `judged_by`, and a person's replaces
//! an agent's when the bundle is promoted.

mod parts;

use std::collections::BTreeSet;

use ostler_core::{
    event::Happening,
    id::ServiceKey,
    incident::{Cause, Incident},
    signal::Subject,
    time::{Span, Time},
};
use ostler_tools::answer::{Capture, CapturedPast, IncidentExport, PastChangeInfo, Proposed};

use crate::bundle::{
    Bundle, ChangeIn, EventIn, EventKindIn, InstanceIn, PastIn, SeriesIn, ServiceIn, Source, Truth,
};

/// The bundle of an export. Replayed, its world is as it was at the moment of the capture.
///
/// # Errors
/// In words, when a spec of the capture cannot be written down.
pub fn bundle(export: &IncidentExport) -> Result<Bundle, String> {
    let (incident, capture) = (&export.incident, &export.capture);
    let at = capture.at;
    let (truth, judged_by) = believed(export);
    let known: BTreeSet<&ServiceKey> = capture.services.iter().map(|one| &one.service).collect();
    let services = capture.services.iter();
    let services = services.map(|service| parts::service(at, service, &known));
    Ok(Bundle {
        name: incident.id.to_string(),
        about: about(incident),
        agent: agent(incident),
        source: Source::Captured,
        licence: None,
        judged_by: Some(judged_by),
        truth,
        services: services.collect::<Result<Vec<ServiceIn>, _>>()?,
        nodes: capture.nodes.iter().filter_map(parts::node).collect(),
        instances: instances(capture),
        signals: signals(capture),
        events: events(capture),
        changes: capture
            .changes
            .iter()
            .map(|past| change(at, past))
            .collect(),
        logs: parts::logs(capture),
        past: capture.past.iter().map(|one| past(at, one)).collect(),
        upgrades: Default::default(),
        frozen: false,
        secrets: capture.secrets.iter().map(ToString::to_string).collect(),
        left_out: capture.left_out.clone(),
    })
}

fn about(incident: &Incident) -> String {
    match &incident.cause {
        Some(cause) => format!("{}: {}", incident.title, cause.explanation),
        None => incident.title.clone(),
    }
}

/// The agent that opened it; the healer where a person did.
fn agent(incident: &Incident) -> String {
    let agent = incident.opened_by.strip_prefix("agent:");
    agent.unwrap_or("healer").to_owned()
}

/// What is believed to be right, and whose word that is. A person's correction outweighs the agent.
fn believed(export: &IncidentExport) -> (Truth, String) {
    let incident = &export.incident;
    let unexplained = Truth::Unexplained {
        service: incident.service.clone(),
    };
    let agent = format!("agent:{}", agent(incident));
    match (&incident.correction, &incident.cause) {
        (Some(correction), Some(cause)) => {
            let known = correction.cause.map(|kind| Truth::Faulty {
                cause: kind,
                culprit: cause.culprit.clone(),
                tool: None,
                with: Default::default(),
            });
            (known.unwrap_or(unexplained), correction.by.clone())
        }
        (None, Some(cause)) => (faulty(cause, &export.proposals), agent),
        (_, None) => (unexplained, agent),
    }
}

/// The cause, and what was first proposed against it.
fn faulty(cause: &Cause, proposals: &[Proposed]) -> Truth {
    let against = |one: &&Proposed| one.cause == cause.kind && one.culprit == cause.culprit;
    let first = proposals.iter().find(against);
    Truth::Faulty {
        cause: cause.kind,
        culprit: cause.culprit.clone(),
        tool: first.and_then(|one| one.tools.first().cloned()),
        with: Default::default(),
    }
}

fn instances(capture: &Capture) -> Vec<InstanceIn> {
    let services = capture.services.iter();
    services
        .flat_map(|service| &service.instances)
        .map(|one| parts::instance(capture.at, one))
        .collect()
}

fn signals(capture: &Capture) -> Vec<SeriesIn> {
    let mut all = Vec::new();
    for service in &capture.services {
        let subject = Subject::Service(service.service.clone());
        all.extend(parts::series(capture.at, &subject, &service.signals));
        for one in &service.instances {
            let subject = Subject::Instance(one.instance.clone());
            all.extend(parts::series(capture.at, &subject, &one.signals));
        }
    }
    for node in &capture.nodes {
        let subject = Subject::Node(node.node.clone());
        all.extend(parts::series(capture.at, &subject, &node.signals));
    }
    all
}

fn events(capture: &Capture) -> Vec<EventIn> {
    let event = |event: &ostler_core::event::Event| {
        let what = match &event.what {
            Happening::Exited { exit, .. } => EventKindIn::Exited(parts::exit(capture.at, exit)),
            Happening::StartFailed { problem } => EventKindIn::StartFailed(problem.clone()),
            _ => return None,
        };
        Some(EventIn {
            ago: ago(capture.at, event.at),
            service: event.service.clone()?,
            instance: event.instance.clone()?,
            what,
        })
    };
    capture.events.iter().filter_map(event).collect()
}

fn change(at: Time, past: &PastChangeInfo) -> ChangeIn {
    ChangeIn {
        ago: ago(at, past.at),
        tool: past.tool.clone(),
        by: past.principal.clone(),
        summary: past.summary.clone(),
        services: past.services.iter().map(ServiceKey::clone).collect(),
    }
}

fn past(at: Time, past: &CapturedPast) -> PastIn {
    PastIn {
        ago: ago(at, past.opened_at),
        service: past.service.clone(),
        symptoms: past.symptoms.clone(),
        cause: past.cause,
        tool: past.tool.clone(),
        became: past.became,
        corrected: past.corrected.clone(),
    }
}

fn ago(at: Time, then: Time) -> Span {
    at.since(then)
}
