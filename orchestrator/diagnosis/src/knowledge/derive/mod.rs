//! What follows from what was seen: wanted is held against what is there, one file a question.
//!
//! Nothing here names a cause. What is derived is a fact like any other, with the entry of the
//! picture it follows from, so that causes can be written down as tests over facts.

mod addresses;
mod images;
mod latency;
mod placement;
mod ports;
mod probes;
mod quota;
mod refusal;
mod replicas;
mod routes;
mod routing;
pub mod shift;
mod slowness;
mod storage;
mod stores;
mod unseen;
mod words;

pub use replicas::ALERTS;

use serde_json::Value;

use super::view::{Derived, DerivedFacts, View};

/// Everything that follows from a picture.
pub fn all(view: &View) -> DerivedFacts {
    let mut notes = Notes::default();
    replicas::derive(view, &mut notes);
    routing::derive(view, &mut notes);
    probes::derive(view, &mut notes);
    addresses::derive(view, &mut notes);
    placement::derive(view, &mut notes);
    storage::derive(view, &mut notes);
    stores::derive(view, &mut notes);
    quota::derive(view, &mut notes);
    images::derive(view, &mut notes);
    routes::derive(view, &mut notes);
    latency::derive(view, &mut notes);
    notes.0
}

/// What was not seen and follows from what was; the rest is derived from both.
pub fn unseen(view: &View) -> DerivedFacts {
    unseen::all(view)
}

/// Collects what follows.
#[derive(Default)]
pub struct Notes(DerivedFacts);

impl Notes {
    /// Notes a fact of an object that follows from one of its own facts.
    pub fn note(&mut self, object: &str, name: &str, value: impl Into<Value>, fact: &str) {
        self.note_from(
            object,
            name,
            value,
            format!("objects/{object}/facts/{fact}"),
        );
    }

    /// Notes a fact of an object that follows from any entry of the picture.
    pub fn note_from(&mut self, object: &str, name: &str, value: impl Into<Value>, from: String) {
        let derived = Derived {
            value: value.into(),
            from,
        };
        self.0
            .entry(object.to_owned())
            .or_default()
            .insert(name.to_owned(), derived);
    }
}

/// A list inside a value; empty where there is none.
pub fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text inside a value; empty where there is none.
pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// True when each label that is demanded is there with that value.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let Some(wanted) = selector.as_object() else {
        return true;
    };
    wanted
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}
