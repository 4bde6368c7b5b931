//! How many instances a service wants and has, and whether it is reached.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::Notes;
use super::seen;
use crate::knowledge::cause::Who;
use crate::knowledge::view::View;

/// `replicas.created`, `replicas.ready`, `replicas.wanted`, `reachable`, each only where it was not
/// seen.
pub fn derive(view: &View, id: &str, notes: &mut Notes) {
    let parts = view.near(id, Who::Parts);
    let number = |name: &str| view.number(id, name);
    let refused = refused(view, id);
    if number("replicas.created").is_none() {
        // Nobody counted, yet somebody was refused: what is there is all that was made.
        if let Some(from) = refused.clone() {
            notes.note_from(id, "replicas.created", parts.len() as f64, from);
        }
    }
    if number("replicas.ready").is_none() && number("replicas.wanted").is_some() {
        ready(view, id, notes);
    }
    if number("replicas.wanted").is_none() {
        wanted(view, id, refused, notes);
    }
    let nowhere = number("service.endpoints") == Some(0.0);
    if nowhere && view.value(id, "reachable").is_none() {
        notes.note(id, "reachable", false, "service.endpoints");
    }
}

/// The event with which an instance was refused, if none was made since.
fn refused(view: &View, id: &str) -> Option<String> {
    let last = |reason: &str| {
        let events = view.events(id).filter(|(_, event)| event.reason == reason);
        events
            .max_by(|(_, one), (_, other)| one.at.partial_cmp(&other.at).unwrap_or(Ordering::Equal))
    };
    let (place, refused) = last("FailedCreate")?;
    let made = last("SuccessfulCreate").is_some_and(|(_, made)| made.at >= refused.at);
    (!made).then(|| format!("events/{place}"))
}

/// Counted, where each instance says whether it is ready.
fn ready(view: &View, id: &str, notes: &mut Notes) {
    let parts = view.near(id, Who::Parts);
    let told: Vec<bool> = parts
        .iter()
        .filter_map(|part| view.value(part, "ready").and_then(Value::as_bool))
        .collect();
    let none_made = view.number(id, "replicas.created") == Some(0.0) && parts.is_empty();
    if none_made {
        notes.note(id, "replicas.ready", 0.0, "replicas.created");
    } else if let Some(first) = parts.iter().next().filter(|_| told.len() == parts.len()) {
        let ready = told.iter().filter(|ready| **ready).count();
        notes.note_from(
            id,
            "replicas.ready",
            ready as f64,
            format!("objects/{first}/facts/ready"),
        );
    }
}

/// One more than there are where one was refused; none where none is there and none was refused;
/// else as many as there are.
fn wanted(view: &View, id: &str, refused: Option<String>, notes: &mut Notes) {
    let there = view.near(id, Who::Parts).len() as f64;
    let counted = ["replicas.created", "replicas.ready"]
        .iter()
        .find(|name| view.number(id, name).is_some());
    match (refused, counted) {
        (Some(from), _) => notes.note_from(id, "replicas.wanted", there + 1.0, from),
        (None, Some(name)) => {
            let from = seen(view, id, name);
            from.into_iter()
                .for_each(|from| notes.note_from(id, "replicas.wanted", there, from));
        }
        (None, None) => {}
    }
}
