//! The part of a fleet that changes can reach, cut out so that a forecast costs what that part is
//! worth, not what the fleet is.
//!
//! The part holds the services that differ, all that need them, and whatever any of those needs.
//! The others stand still: the room they hold is kept, so that placements come out as in the whole.

use std::collections::BTreeSet;

use crate::{graph::Graph, id::ServiceKey, intent::Intent, observed::Observed};

/// What is simulated of a fleet.
pub(super) struct Part {
    /// What is wanted there after the changes.
    pub intent: Intent,
    /// What was seen there.
    pub observed: Observed,
    /// Services that differ.
    pub changed: BTreeSet<ServiceKey>,
    /// How many services are left out.
    pub left_out: usize,
}

impl Part {
    /// Cuts out what the way from one intent to the other can reach.
    pub fn of(before: &Intent, after: &Intent, observed: &Observed) -> Self {
        let changed = differing(before, after);
        let nodes = before.cordoned != after.cordoned || before.draining != after.draining;
        // What a change of nodes moves is not known beforehand; while a node is emptied, who moves
        // next depends on everybody there; and whoever changes nothing asks about the whole.
        if nodes || changed.is_empty() || !after.draining.is_empty() {
            return Self {
                intent: after.clone(),
                observed: observed.clone(),
                changed,
                left_out: 0,
            };
        }
        let inside = reached(before, after, &changed);
        Self {
            intent: some_services(after, &inside),
            observed: some_instances(observed, &inside),
            left_out: after
                .services
                .keys()
                .filter(|key| !inside.contains(key))
                .count(),
            changed,
        }
    }

    /// What one decision about it costs, roughly: the things it reads.
    pub fn size(&self) -> usize {
        self.observed
            .instances
            .len()
            .saturating_add(self.observed.nodes.len())
            .saturating_add(self.intent.services.len())
            .max(1)
    }
}

fn differing(before: &Intent, after: &Intent) -> BTreeSet<ServiceKey> {
    let keys = before.services.keys().chain(after.services.keys());
    keys.filter(|key| before.services.get(*key) != after.services.get(*key))
        .cloned()
        .collect()
}

fn reached(
    before: &Intent,
    after: &Intent,
    changed: &BTreeSet<ServiceKey>,
) -> BTreeSet<ServiceKey> {
    let graphs = [Graph::of(before), Graph::of(after)];
    let mut inside = changed.clone();
    for graph in &graphs {
        inside.extend(graph.blast_radius(changed).into_iter().cloned());
    }
    for key in inside.clone() {
        for graph in &graphs {
            inside.extend(graph.dependencies(&key).into_iter().cloned());
        }
    }
    inside
}

fn some_services(intent: &Intent, inside: &BTreeSet<ServiceKey>) -> Intent {
    let inside = inside.iter();
    Intent {
        revision: intent.revision,
        services: inside
            .filter_map(|key| intent.services.get_key_value(key))
            .map(|(key, service)| (key.clone(), service.clone()))
            .collect(),
        cordoned: intent.cordoned.clone(),
        draining: intent.draining.clone(),
        ..Intent::default()
    }
}

fn some_instances(observed: &Observed, inside: &BTreeSet<ServiceKey>) -> Observed {
    let mut part = Observed {
        nodes: observed.nodes.clone(),
        taken: observed.taken.clone(),
        ..Observed::default()
    };
    for (id, seen) in &observed.instances {
        if inside.contains(&seen.service) {
            part.instances.insert(id.clone(), seen.clone());
        } else {
            part.taken.entry(seen.node.clone()).or_default().add(seen);
        }
    }
    let routes = observed.routes.iter();
    part.routes = routes
        .filter(|(key, _)| inside.contains(key))
        .map(|(key, to)| (key.clone(), to.clone()))
        .collect();
    part
}
