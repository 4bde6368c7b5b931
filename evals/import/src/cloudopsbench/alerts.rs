//! What monitoring said: abnormal numbers and failed requests.

use ostler_diagnosis::picture::{Event, Picture};
use serde_json::Value;

use super::cache::Cache;
use super::metrics::seconds;
use super::text_of;

/// The set's words for what is abnormal, and ours.
const REASONS: &[(&str, &str)] = &[
    ("LATENCY_DEGRADATION", "LatencyHigh"),
    ("ERROR_SPIKE", "ErrorsHigh"),
    ("THROUGHPUT_DROP", "TrafficLow"),
    ("TRAFFIC_ANOMALY", "TrafficLow"),
    ("RESOURCE_SATURATION", "Saturated"),
    ("NETWORK_QUALITY_DEGRADED", "NetworkBad"),
];

/// Adds events, and when trouble was noticed.
pub fn read(cache: &Cache, picture: &mut Picture) {
    for (_, said) in cache.by("GetAlerts", "") {
        for alert in said.get("alerts").and_then(Value::as_array).into_iter().flatten() {
            let at = text_of(alert, "time_range").split(" ~ ").next().and_then(seconds);
            picture.noticed = match (picture.noticed, at) {
                (Some(noticed), Some(at)) => Some(noticed.min(at)),
                (noticed, at) => noticed.or(at),
            };
            add(alert, at, picture);
        }
    }
}

fn add(alert: &Value, at: Option<f64>, picture: &mut Picture) {
    let prefix = if text_of(alert, "type") == "Node" { "node" } else { "app" };
    let mut push = |name: String, reason: &str, message: &str, count| {
        picture.events.push(Event {
            at,
            object: format!("{prefix}/{name}"),
            reason: reason.to_owned(),
            message: message.to_owned(),
            count,
        });
    };
    for text in alert.get("evidence").and_then(Value::as_array).into_iter().flatten() {
        let text = text.as_str().unwrap_or_default();
        let reason = REASONS.iter().find(|(word, _)| text.starts_with(word));
        push(text_of(alert, "name"), reason.map_or("Abnormal", |(_, ours)| ours), text, 1);
    }
    let entry = text_of(alert, "entry_service");
    if !entry.is_empty() {
        let count = alert.get("occurrences").and_then(Value::as_u64).unwrap_or(1);
        push(entry, "ErrorsHigh", &text_of(alert, "raw_error"), count);
    }
}
