//! Holds a fact's value against what a test demands of it.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

/// Finds a fact by name: the whole name, or a shorter one whose value has the rest inside.
pub fn lookup<'f>(facts: &'f BTreeMap<String, Value>, name: &str) -> Option<&'f Value> {
    if let Some(value) = facts.get(name) {
        return Some(value);
    }
    let mut end = name.len();
    while let Some(dot) = name.get(..end)?.rfind('.') {
        if let Some(value) = facts.get(name.get(..dot)?) {
            return inside(value, name.get(dot + 1..)?);
        }
        end = dot;
    }
    None
}

fn inside<'f>(value: &'f Value, path: &str) -> Option<&'f Value> {
    path.split('.').try_fold(value, |at, step| at.get(step))
}

/// Equal, where numbers are compared by amount and not by how they are written.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < f64::EPSILON,
        _ => one == other,
    }
}

/// A pattern finds something in a text, or in one of a list's or an object's texts.
pub fn found(pattern: &Regex, value: &Value) -> bool {
    match value {
        Value::String(text) => pattern.is_match(text),
        Value::Array(items) => items.iter().any(|item| found(pattern, item)),
        Value::Object(fields) => fields.values().any(|field| found(pattern, field)),
        _ => false,
    }
}

/// A value in few words, for evidence.
pub fn short(value: &Value) -> String {
    let mut text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if let Some((end, _)) = text.char_indices().nth(120) {
        text.truncate(end);
        text.push('…');
    }
    text
}
