//! At which ports a workload listens, and at which its checks ask: from wherever it shows.

use serde_json::{Value, json};

use super::list;
use crate::knowledge::view::View;

/// Health checks by name.
pub const PROBES: [&str; 3] = ["liveness", "readiness", "startup"];

/// What a workload says it listens at; where that was not seen, where its address leads.
pub fn offered(view: &View, id: &str) -> Vec<Value> {
    let own = list(view.value(id, "container.ports"));
    if !own.is_empty() {
        return own.to_vec();
    }
    let targets = list(view.value(id, "service.ports")).iter();
    targets
        .filter_map(|port| port.get("target"))
        .map(|target| json!({ "port": target, "name": target }))
        .collect()
}

/// Ports at which checks ask that pass, as far as anybody heard: somebody answers there, by TCP.
pub fn answering(view: &View, id: &str) -> Vec<Value> {
    let unready = |one: &&str| view.value(one, "ready") == Some(&Value::Bool(false));
    let down = view.with_parts(id).iter().any(unready);
    let quiet = PROBES
        .iter()
        .filter(|which| !(down && **which == "readiness"))
        .filter(|which| complaint(view, id, which).is_none());
    quiet
        .filter_map(|which| view.value(id, &format!("probe.{which}"))?.get("port"))
        .map(|port| json!({ "port": port, "protocol": "TCP" }))
        .collect()
}

/// What the platform last said of a failing check, with its place among the events.
pub fn complaint<'v>(view: &'v View, id: &str, which: &str) -> Option<(usize, &'v str)> {
    let parts = view.with_parts(id).into_iter();
    let mut events = parts.flat_map(|part| view.events(part));
    let of = |words: &str| {
        let (first, rest) = words.split_at_checked(which.len()).unwrap_or_default();
        first.eq_ignore_ascii_case(which) && rest.starts_with(" probe")
    };
    events
        .find(|(_, event)| event.reason == "Unhealthy" && of(&event.message))
        .map(|(place, event)| (place, event.message.as_str()))
}

/// The port in the first `a.b.c.d:port` of a text.
pub fn asked(words: &str) -> Option<u16> {
    let parts = words.split(|letter: char| !(letter.is_ascii_digit() || ".:".contains(letter)));
    parts
        .filter_map(|part| part.trim_matches(':').split_once(':'))
        .filter(|(host, _)| host.split('.').filter(|one| !one.is_empty()).count() == 4)
        .find_map(|(_, port)| port.trim_end_matches([':', '.']).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_was_asked_is_read() {
        let said = "Liveness probe failed: dial tcp 10.2.0.7:8081: connect: connection refused";
        assert_eq!(asked(said), Some(8081));
        let said = "Readiness probe failed: Get \"http://10.2.0.7:80/live\": EOF";
        assert_eq!(asked(said), Some(80));
        assert_eq!(asked("failed at 10:30:59 with version 1.2.3"), None);
    }
}
