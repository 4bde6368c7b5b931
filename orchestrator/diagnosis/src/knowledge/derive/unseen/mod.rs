//! What was not seen of an object's state, where something else that was seen leaves little doubt.
//!
//! One happening leaves many traces: a check that ends an instance leaves a restart, an exit and an
//! event. Whoever saw one of them knows of the others. Nothing that was seen is ever put aside, so this
//! adds nothing to a picture that has all of it.

mod instance;
mod node;
mod service;

use super::Notes;
use crate::knowledge::view::{DerivedFacts, View};
use crate::picture::Kind;

/// Every fact that follows, for others to be derived from.
pub fn all(view: &View) -> DerivedFacts {
    let mut notes = Notes::default();
    for id in view.of_kind(Kind::Service) {
        service::derive(view, id, &mut notes);
    }
    for id in view.of_kind(Kind::Instance) {
        instance::derive(view, id, &mut notes);
    }
    for id in view.of_kind(Kind::Node) {
        node::derive(view, id, &mut notes);
    }
    notes.0
}

/// The first event of an object whose reason is one of these and whose words hold this.
fn event(view: &View, id: &str, reasons: &[&str], words: &str) -> Option<String> {
    let mut events = view.events(id);
    let found = events.find(|(_, event)| {
        reasons.contains(&event.reason.as_str()) && event.message.contains(words)
    });
    found.map(|(place, _)| format!("events/{place}"))
}

/// Where a fact is, if it was seen.
fn seen(view: &View, id: &str, name: &str) -> Option<String> {
    view.value(id, name)
        .map(|_| format!("objects/{id}/facts/{name}"))
}
