//! Whether a service's address leads to its instances.

use serde_json::Value;

use super::{Notes, list, ports, selects, text};
use crate::knowledge::view::View;

/// `routing.selector_matches`, `routing.target_known`, `routing.protocol_matches`.
pub fn derive(view: &View, notes: &mut Notes) {
    for id in view.picture.objects.keys() {
        let selector = view.value(id, "service.selector");
        let labels = view.value(id, "workload.labels");
        if let Some((selector, labels)) = selector.zip(labels) {
            let fact = "service.selector";
            notes.note(
                id,
                "routing.selector_matches",
                selects(selector, labels),
                fact,
            );
        }
        let ports = list(view.value(id, "service.ports"));
        if ports.is_empty() {
            continue;
        }
        match list(view.value(id, "container.ports")) {
            // Checks that pass show one port at which somebody listens, not all.
            [] => leads(notes, id, ports, &ports::answering(view, id), 1),
            offered => leads(notes, id, ports, offered, ports.len()),
        }
    }
}

/// Whether so many of an address's ports lead to one that is offered, and by the same transport.
fn leads(notes: &mut Notes, id: &str, ports: &[Value], offered: &[Value], many: usize) {
    if offered.is_empty() {
        return;
    }
    let known = ports.iter().filter(|port| target(port, offered).is_some());
    let known = known.count() >= many;
    notes.note(id, "routing.target_known", known, "service.ports");
    let protocol = ports.iter().all(|port| {
        target(port, offered).is_none_or(|at| text(at, "protocol") == text(port, "protocol"))
    });
    notes.note(id, "routing.protocol_matches", protocol, "service.ports");
}

/// The offered port to which a service's port leads, by number or name.
fn target<'v>(port: &Value, offered: &'v [Value]) -> Option<&'v Value> {
    let wanted = port.get("target")?;
    offered
        .iter()
        .find(|one| one.get("port") == Some(wanted) || one.get("name") == Some(wanted))
}
