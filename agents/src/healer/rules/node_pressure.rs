//! **Node pressure**: the machine is short of CPU, memory or I/O, and several services suffer.
//!
//! Symptoms: slowness, failed probes, ends without a common change. Tests: PSI of the node over the
//! last two minutes is high, and at least two services with instances on it are unwell. Remedy: a
//! person moves work or adds a machine. Confidence: 0.75.

use std::collections::BTreeSet;

use ostler_agents_kit::{situation::points, trend};
use ostler_core::{
    id::{NodeName, ServiceKey},
    signal::SignalKind,
    time::Span,
};

use super::{Diagnosis, Judged, Remedy, out, patient::Patient};

/// Pressures above which a machine is short, over 10 s windows.
const SHORT: [(SignalKind, f64, &str); 3] = [
    (SignalKind::MemoryPressure, 0.3, "memory"),
    (SignalKind::IoPressure, 0.6, "I/O"),
    (SignalKind::CpuPressure, 0.7, "CPU"),
];

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    for (node, signals) in &patient.situation.nodes {
        for (kind, bound, what) in SHORT {
            let series = trend::since(
                points(&signals.value, kind),
                patient.situation.now - Span::minutes(2),
            );
            let Some(mean) = trend::mean(series).filter(|mean| *mean > bound && series.len() >= 3)
            else {
                continue;
            };
            let suffering = suffering_on(patient, node);
            if suffering.len() < 2 {
                return out(format!(
                    "node `{node}` is short of {what}, but only this service suffers"
                ));
            }
            let names: Vec<String> = suffering
                .iter()
                .take(6)
                .map(|service| format!("`{service}`"))
                .collect();
            let mut evidence = patient.symptoms();
            evidence.push(signals.claim(format!(
                "node `{node}` stalls for {what} {:.0} % of the time",
                mean * 100.0
            )));
            evidence.push(
                patient
                    .situation
                    .services
                    .claim(format!("several services suffer: {}", names.join(", "))),
            );
            let explanation = format!(
                "node `{node}` is short of {what}; {} services on it suffer",
                suffering.len()
            );
            let remedy = Remedy::Person(format!(
                "relieve node `{node}`: move services away, or give it more {what}"
            ));
            return Judged::Fits(Diagnosis {
                confidence: 0.85,
                explanation,
                evidence,
                remedy,
            });
        }
    }
    out("its node is not short of CPU, memory or I/O")
}

/// Unwell services with an instance on the node.
fn suffering_on<'a>(patient: &Patient<'a>, node: &NodeName) -> BTreeSet<&'a ServiceKey> {
    let here = patient
        .situation
        .instances
        .value
        .instances
        .iter()
        .filter(|one| &one.seen.node == node);
    let web = patient.situation.web();
    here.map(|one| &one.seen.service)
        .filter(|service| web.is_unwell(service))
        .collect()
}

/// The service after which the node's incident is named, the same whichever service is looked into:
/// the first by name of those that suffer on the patient's nodes.
#[must_use]
pub fn named_after(patient: &Patient<'_>) -> ServiceKey {
    let nodes = patient.situation.nodes.keys();
    let first = nodes
        .filter_map(|node| suffering_on(patient, node).into_iter().next())
        .min();
    first.unwrap_or_else(|| patient.facts.key()).clone()
}
