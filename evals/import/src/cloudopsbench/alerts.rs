//! What monitoring said: abnormal numbers and failed requests.

use ostler_diagnosis::picture::{Event, Measure, Picture, Signal};
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
        for alert in said
            .get("alerts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let at = text_of(alert, "time_range")
                .split(" ~ ")
                .next()
                .and_then(seconds);
            picture.noticed = match (picture.noticed, at) {
                (Some(noticed), Some(at)) => Some(noticed.min(at)),
                (noticed, at) => noticed.or(at),
            };
            add(alert, at, picture);
        }
    }
}

fn add(alert: &Value, at: Option<f64>, picture: &mut Picture) {
    let prefix = if text_of(alert, "type") == "Node" {
        "node"
    } else {
        "app"
    };
    let mut push = |name: String, reason: &str, message: &str, count| {
        picture.events.push(Event {
            at,
            object: format!("{prefix}/{name}"),
            reason: reason.to_owned(),
            message: message.to_owned(),
            count,
        });
    };
    for text in alert
        .get("evidence")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = text.as_str().unwrap_or_default();
        let reason = REASONS.iter().find(|(word, _)| text.starts_with(word));
        push(
            text_of(alert, "name"),
            reason.map_or("Abnormal", |(_, ours)| ours),
            text,
            1,
        );
    }
    let entry = text_of(alert, "entry_service");
    if !entry.is_empty() {
        let count = alert
            .get("occurrences")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        push(entry, "ErrorsHigh", &text_of(alert, "raw_error"), count);
    }
}

/// Levels that alerts tell, as signals: where no numbers over time were kept, an alert's normal and
/// current level are all there is of them.
pub fn signals(picture: &Picture) -> Vec<Signal> {
    let Some(noticed) = picture.noticed else {
        return Vec::new();
    };
    let mut signals = Vec::new();
    for event in picture
        .events
        .iter()
        .filter(|event| event.message.contains("Normal="))
    {
        for part in event.message.split(" | ") {
            let Some((measure, name)) = measured(&event.message, part) else {
                continue;
            };
            let Some((normal, current)) = levels(part) else {
                continue;
            };
            let before = [3.0, 2.0, 1.0].map(|ago| (noticed - ago, normal));
            let after = [0.0, 1.0, 2.0].map(|on| (noticed + on, current));
            let points = before.into_iter().chain(after).collect();
            signals.push(Signal {
                object: event.object.clone(),
                measure,
                name,
                points,
            });
        }
    }
    signals
}

fn measured(message: &str, part: &str) -> Option<(Measure, String)> {
    if message.contains("[TCP Retransmission]") {
        return Some((Measure::Network, "retransmissions".to_owned()));
    }
    let label = part.split_once("latency: ")?.0;
    let label = label.rsplit('-').next()?;
    Some((Measure::Latency, format!("latency_{label}")))
}

/// `Normal=0.07retrans -> Current=0.61retrans (+810.7%)`
fn levels(part: &str) -> Option<(f64, f64)> {
    let after = |key: &str| {
        let rest = part.split_once(key)?.1;
        let number = |letter: &char| letter.is_ascii_digit() || *letter == '.';
        rest.chars()
            .take_while(number)
            .collect::<String>()
            .parse::<f64>()
            .ok()
    };
    Some((after("Normal=")?, after("Current=")?))
}
