//! Which limit of a namespace is used up.

use serde_json::Value;

use super::Notes;
use crate::knowledge::cause::Who;
use crate::knowledge::view::View;
use crate::picture::Kind;

/// `quota.exhausted`: names of resources of which nothing is left, or too little for a claim that
/// somebody waits for.
pub fn derive(view: &View, notes: &mut Notes) {
    for id in view.of_kind(Kind::Namespace) {
        let Some(quota) = view.value(id, "quota").and_then(Value::as_object) else {
            continue;
        };
        let waiting: f64 = view
            .near(id, Who::Parts)
            .into_iter()
            .filter_map(|part| view.number(part, "claims.missing_size"))
            .sum();
        let exhausted: Vec<Value> = quota
            .iter()
            .filter(|(resource, entry)| {
                let number = |key: &str| entry.get(key).and_then(Value::as_f64);
                let more = if resource.ends_with("storage") {
                    waiting
                } else {
                    0.0
                };
                number("used")
                    .zip(number("limit"))
                    .is_some_and(|(used, limit)| used >= limit || used + more > limit)
            })
            .map(|(resource, _)| Value::from(resource.as_str()))
            .collect();
        if !exhausted.is_empty() {
            notes.note(id, "quota.exhausted", exhausted, "quota");
        }
    }
}
