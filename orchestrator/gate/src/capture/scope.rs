//! Which services belong into a capture: those tied to the incident's by needs, nearest first, then
//! those that share a node with it. Pure.

use std::collections::BTreeSet;

use ostler_core::{graph::Graph, id::ServiceKey, intent::Intent, observed::Observed};

/// Most services of one capture.
pub(super) const SERVICES: usize = 40;

/// The services, the incident's own first, and how many more there would be.
pub(super) fn scope(
    intent: &Intent,
    observed: &Observed,
    own: &ServiceKey,
) -> (Vec<ServiceKey>, usize) {
    let mut all = tied(intent, own);
    let near: BTreeSet<ServiceKey> = all.iter().cloned().collect();
    let beside = beside(observed, own);
    let known = |key: &ServiceKey| intent.services.contains_key(key) && !near.contains(key);
    all.extend(beside.into_iter().filter(known));
    let more = all.len().saturating_sub(SERVICES);
    all.truncate(SERVICES);
    (all, more)
}

/// Breadth first along needs, in both directions.
fn tied(intent: &Intent, own: &ServiceKey) -> Vec<ServiceKey> {
    let graph = Graph::of(intent);
    let mut found: Vec<ServiceKey> = intent
        .services
        .contains_key(own)
        .then(|| own.clone())
        .into_iter()
        .collect();
    let mut seen: BTreeSet<ServiceKey> = found.iter().cloned().collect();
    let mut next = 0;
    while let Some(key) = found.get(next).cloned() {
        next += 1;
        for other in graph
            .needs_of(&key)
            .into_iter()
            .chain(graph.needed_by(&key))
        {
            if seen.insert(other.clone()) {
                found.push(other.clone());
            }
        }
    }
    found
}

/// Services with an instance on a node that has one of this service's.
fn beside(observed: &Observed, own: &ServiceKey) -> BTreeSet<ServiceKey> {
    let instances = || observed.instances.values();
    let nodes: BTreeSet<_> = instances()
        .filter(|seen| seen.service == *own)
        .map(|seen| &seen.node)
        .collect();
    instances()
        .filter(|seen| nodes.contains(&seen.node))
        .map(|seen| seen.service.clone())
        .collect()
}
