//! The same trouble in other amounts: more replicas, more traffic, other numbers in what is written.

use ostler_diagnosis::picture::{Edge, Event, Kind, Measure};
use ostler_evals_import::case::Case;
use serde_json::Value;

use super::chance;

/// Every workload has so many times its replicas, which do as those that are there.
pub fn replicated(case: &Case, times: usize) -> Case {
    let mut case = case.clone();
    let picture = &mut case.picture;
    let instances: Vec<String> = picture
        .objects
        .iter()
        .filter(|(_, object)| object.kind == Kind::Instance)
        .map(|(id, _)| id.clone())
        .collect();
    for id in &instances {
        for copy in 1..times {
            let other = format!("{id}c{copy}");
            if let Some(object) = picture.objects.get(id).cloned() {
                picture.objects.insert(other.clone(), object);
            }
            let edges = picture.edges.iter().filter(|edge| edge.from == *id);
            let edges: Vec<Edge> = edges
                .map(|edge| Edge {
                    from: other.clone(),
                    ..edge.clone()
                })
                .collect();
            picture.edges.extend(edges);
            let events = picture.events.iter().filter(|event| event.object == *id);
            let events: Vec<Event> = events
                .map(|event| Event {
                    object: other.clone(),
                    ..event.clone()
                })
                .collect();
            picture.events.extend(events);
        }
    }
    for object in picture.objects.values_mut() {
        for name in ["replicas.wanted", "replicas.ready", "replicas.created"] {
            if let Some(value) = object.facts.get_mut(name) {
                *value = Value::from(value.as_f64().unwrap_or_default() * times as f64);
            }
        }
    }
    case
}

/// Traffic, use of resources and traffic on the network are so many times what they were; the time
/// that requests take is what it was, times the second number.
pub fn busier(case: &Case, times: f64, slower: f64) -> Case {
    let mut case = case.clone();
    for signal in &mut case.picture.signals {
        let by = match signal.measure {
            Measure::Rate | Measure::Memory => times,
            Measure::Network if signal.name.starts_with("network") => times,
            Measure::Latency => slower,
            _ => 1.0,
        };
        signal.points.iter_mut().for_each(|(_, value)| *value *= by);
    }
    case
}

/// What every number over time did when trouble was noticed, it did by so many times as much.
pub fn amplified(case: &Case, times: f64) -> Case {
    let mut case = case.clone();
    let Some(noticed) = case.picture.noticed else {
        return case;
    };
    for signal in &mut case.picture.signals {
        let mut before: Vec<f64> = signal
            .points
            .iter()
            .filter(|(at, _)| *at < noticed)
            .map(|(_, value)| *value)
            .collect();
        before.sort_by(f64::total_cmp);
        let Some(usual) = before.get(before.len() / 2).copied() else {
            continue;
        };
        let late = signal.points.iter_mut().filter(|(at, _)| *at >= noticed);
        late.for_each(|(_, value)| *value = (usual + (*value - usual) * times).max(0.0));
    }
    case
}

/// Numbers of four digits and more, and ids, are others in every line and event.
pub fn reworded(case: &Case, salt: &str) -> Case {
    let mut case = case.clone();
    for event in &mut case.picture.events {
        if !event.message.contains("Normal=") {
            event.message = other_ids(&event.message, salt);
        }
    }
    for log in &mut case.picture.logs {
        log.line = other_ids(&log.line, salt);
    }
    case
}

fn other_ids(text: &str, salt: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        out.push_str(&other(&word, salt));
        word.clear();
        out.push(letter);
    }
    out.pop();
    out
}

/// Other hexadecimal digits for a word that looks like an id or a large number.
fn other(word: &str, salt: &str) -> String {
    let id = word.len() >= 6
        && word.chars().all(|letter| letter.is_ascii_hexdigit())
        && word.chars().any(|letter| letter.is_ascii_digit());
    if !id {
        return word.to_owned();
    }
    let digits = word.char_indices().map(|(place, letter)| {
        let drawn = chance(&format!("{salt}/{word}/{place}"));
        if letter.is_ascii_digit() {
            char::from(b'0' + (drawn * 10.0) as u8)
        } else {
            letter
        }
    });
    digits.collect()
}
