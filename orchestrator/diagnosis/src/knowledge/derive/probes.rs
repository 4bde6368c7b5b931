//! Whether health checks ask at the right door, in the right language, and with patience.

use serde_json::Value;

use super::ports::{self, PROBES};
use super::{Notes, text};
use crate::knowledge::view::View;

/// `probe.*.port_known`, `probe.*.kind_differs`, `probe.*.patience_s`.
pub fn derive(view: &View, notes: &mut Notes) {
    for id in view.picture.objects.keys() {
        for which in PROBES {
            let name = format!("probe.{which}");
            port(view, id, which, notes);
            let Some(probe) = view.value(id, &name) else {
                continue;
            };
            let differs = others(view, id, which).any(|other| {
                text(other, "kind") != text(probe, "kind") && other.get("port") == probe.get("port")
            });
            notes.note(id, &format!("{name}.kind_differs"), differs, &name);
            notes.note(id, &format!("{name}.patience_s"), patience_s(probe), &name);
        }
    }
}

/// Whether anybody listens where a check asks. Where its manifest was not seen, its complaints say
/// where it asks; where nobody says who listens, another check that passes does.
fn port(view: &View, id: &str, which: &str, notes: &mut Notes) {
    let name = format!("probe.{which}");
    let complaint = ports::complaint(view, id, which);
    let told =
        complaint.and_then(|(place, words)| Some((place, Value::from(ports::asked(words)?))));
    let (port, from) = match (view.value(id, &name), told) {
        (Some(probe), told) => match (probe.get("port"), told) {
            (Some(port), _) => (port.clone(), format!("objects/{id}/facts/{name}")),
            (None, Some((place, port))) => (port, format!("events/{place}")),
            (None, None) => return,
        },
        (None, Some((place, port))) => (port, format!("events/{place}")),
        (None, None) => return,
    };
    let mut offered = ports::offered(view, id);
    if offered.is_empty() && complaint.is_some() {
        offered = ports::answering(view, id);
    }
    if !offered.is_empty() {
        let is = |one: &Value| one.get("port") == Some(&port) || one.get("name") == Some(&port);
        let known = offered.iter().any(is);
        notes.note_from(id, &format!("{name}.port_known"), known, from);
    }
}

fn others<'v>(view: &'v View, id: &str, which: &'static str) -> impl Iterator<Item = &'v Value> {
    let id = id.to_owned();
    PROBES
        .into_iter()
        .filter(move |other| *other != which)
        .filter_map(move |other| view.value(&id, &format!("probe.{other}")))
}

/// Seconds after a start until failing checks end it; defaults are those of Kubernetes' API.
fn patience_s(probe: &Value) -> f64 {
    let number =
        |key: &str, default: f64| probe.get(key).and_then(Value::as_f64).unwrap_or(default);
    number("delay_s", 0.0) + number("period_s", 10.0) * number("failures", 3.0)
}
