//! What differs between two specs, path by path, for people.
//!
//! Environment values are shown (secrets are not among them); the content of config files is
//! shown by its size only. Long values are cut.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{id::ServiceKey, intent::Service};

/// Longest value shown, in characters.
const SHOWN: usize = 200;
/// Most lines per service.
const LINES: usize = 200;

/// What differs in one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceDiff {
    /// Which.
    pub service: ServiceKey,
    /// What differs, by path; at most 200 lines.
    pub lines: Vec<DiffLine>,
}

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffLine {
    /// Where: `spec.image`, `spec.env.LEVEL`, `spec.ports[http].publish`.
    pub path: String,
    /// Before; absent where there was nothing.
    pub from: Option<String>,
    /// After; absent where there is nothing.
    pub to: Option<String>,
}

/// The difference, or nothing where there is none.
pub(super) fn of(
    key: &ServiceKey,
    before: Option<&Service>,
    after: Option<&Service>,
) -> Option<ServiceDiff> {
    let (from, to) = (leaves(before), leaves(after));
    let mut paths: Vec<&String> = from.keys().chain(to.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let line = |path: &String| {
        let (from, to) = (from.get(path), to.get(path));
        (from != to).then(|| show(path, from, to))
    };
    let lines: Vec<DiffLine> = paths.into_iter().filter_map(line).take(LINES).collect();
    (!lines.is_empty()).then(|| ServiceDiff {
        service: key.clone(),
        lines,
    })
}

fn show(path: &str, from: Option<&Value>, to: Option<&Value>) -> DiffLine {
    let content = path.starts_with("spec.configs[") && path.ends_with(".content");
    let text = |value: &Value| match value {
        Value::String(text) if content => format!("({} bytes)", text.len()),
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    };
    let mut to = to.map(text);
    let from = from.map(text);
    if content && from.is_some() && from == to {
        to = to.map(|size| format!("{size}, changed"));
    }
    DiffLine {
        path: path.to_owned(),
        from,
        to,
    }
}

fn cut(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = clean.take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

/// Every leaf of a service's labels, replicas and spec by its path.
fn leaves(service: Option<&Service>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let Some(service) = service else { return found };
    found.insert("replicas".to_owned(), service.replicas.into());
    for (name, value) in &service.labels {
        found.insert(format!("labels.{name}"), Value::String(value.clone()));
    }
    if let Ok(spec) = serde_json::to_value(&*service.spec) {
        walk("spec", spec, &mut found);
    }
    found
}

fn walk(path: &str, value: Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                walk(&format!("{path}.{name}"), value, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.into_iter().enumerate() {
                let name = item_name(&item).unwrap_or_else(|| index.to_string());
                walk(&format!("{path}[{name}]"), item, found);
            }
        }
        Value::Object(_) | Value::Null => {}
        leaf => {
            found.insert(path.to_owned(), leaf);
        }
    }
}

/// What tells an entry of a list apart: its name, path, mount, secret or service.
fn item_name(item: &Value) -> Option<String> {
    ["name", "path", "mount", "secret", "service"]
        .iter()
        .find_map(|field| item.get(field)?.as_str())
        .map(ToOwned::to_owned)
}
