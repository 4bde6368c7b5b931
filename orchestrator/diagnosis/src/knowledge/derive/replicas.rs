//! Who is there of those that are wanted, and who cannot do its work.

use serde_json::Value;

use super::Notes;
use crate::knowledge::view::View;
use crate::picture::Kind;

/// Reasons of events with which monitoring says that something is not as usual.
pub const ALERTS: &[&str] = &[
    "LatencyHigh",
    "ErrorsHigh",
    "TrafficLow",
    "Saturated",
    "NetworkBad",
];

/// `replicas.missing`, `replicas.uncreated`, `distress`.
pub fn derive(view: &View, notes: &mut Notes) {
    for (id, object) in &view.picture.objects {
        let wanted = view.number(id, "replicas.wanted");
        if let Some(wanted) = wanted {
            for (fact, name) in [("ready", "missing"), ("created", "uncreated")] {
                if let Some(there) = view.number(id, &format!("replicas.{fact}")) {
                    let name = format!("replicas.{name}");
                    notes.note(id, &name, (wanted - there).max(0.0), "replicas.wanted");
                }
            }
        }
        if let Some(shown_by) = distress(view, id, object.kind) {
            notes.note_from(id, "distress", true, shown_by);
        }
    }
}

/// The entry that shows that an object cannot do its work.
fn distress(view: &View, id: &str, kind: Kind) -> Option<String> {
    let is = |name: &str, bad: bool| view.value(id, name).and_then(Value::as_bool) == Some(bad);
    let fact = |name: &str| Some(format!("objects/{id}/facts/{name}"));
    let short = view
        .number(id, "replicas.wanted")
        .zip(view.number(id, "replicas.ready"));
    match kind {
        Kind::Service if short.is_some_and(|(wanted, ready)| ready < wanted) => {
            return fact("replicas.ready");
        }
        Kind::Service if is("reachable", false) => return fact("reachable"),
        Kind::Service | Kind::Instance if is("ready", false) => return fact("ready"),
        Kind::Node if is("node.ready", false) => return fact("node.ready"),
        Kind::Volume if is("claim.bound", false) => return fact("claim.bound"),
        _ => {}
    }
    let mut events = view.events(id);
    let alert = events.find(|(_, event)| ALERTS.contains(&event.reason.as_str()));
    alert.map(|(place, _)| format!("events/{place}"))
}
