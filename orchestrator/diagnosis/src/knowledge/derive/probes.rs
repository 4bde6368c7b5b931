//! Whether health checks ask at the right door, in the right language, and with patience.

use serde_json::Value;

use super::{Notes, list, text};
use crate::knowledge::view::View;

const PROBES: [&str; 3] = ["liveness", "readiness", "startup"];

/// `probe.*.port_known`, `probe.*.kind_differs`, `probe.*.patience_s`.
pub fn derive(view: &View, notes: &mut Notes) {
    for id in view.picture.objects.keys() {
        let offered = list(view.value(id, "container.ports"));
        for which in PROBES {
            let name = format!("probe.{which}");
            let Some(probe) = view.value(id, &name) else {
                continue;
            };
            if let Some(port) = probe.get("port").filter(|_| !offered.is_empty()) {
                let known = offered
                    .iter()
                    .any(|one| one.get("port") == Some(port) || one.get("name") == Some(port));
                notes.note(id, &format!("{name}.port_known"), known, &name);
            }
            let differs = others(view, id, which).any(|other| {
                text(other, "kind") != text(probe, "kind") && other.get("port") == probe.get("port")
            });
            notes.note(id, &format!("{name}.kind_differs"), differs, &name);
            notes.note(id, &format!("{name}.patience_s"), patience_s(probe), &name);
        }
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
