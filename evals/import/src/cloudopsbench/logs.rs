//! What workloads wrote, as the error-log tool groups it.

use std::collections::BTreeMap;
use std::path::Path;

use ostler_diagnosis::picture::{Log, Picture};
use serde_json::Value;

use super::cache::{Cache, packed};
use crate::case::ImportError;

/// A longer line says nothing more about a cause.
const LONGEST: usize = 4_000;
/// So many different lines of one workload are kept.
const MOST: usize = 60;

/// Adds lines of each workload.
pub fn read(cache: &Cache, picture: &mut Picture) {
    for (name, said) in cache.by("GetErrorLogs", "service_name") {
        let object = format!("app/{name}");
        if !picture.objects.contains_key(&object) {
            continue;
        }
        let mut counts: BTreeMap<String, (String, u64)> = BTreeMap::new();
        for (line, count) in lines(said) {
            let entry = counts
                .entry(template(line))
                .or_insert_with(|| (cut(line), 0));
            entry.1 += count;
        }
        let logs = counts.into_values().take(MOST);
        picture.logs.extend(logs.map(|(line, count)| Log {
            at: None,
            object: object.clone(),
            line,
            count,
        }));
    }
}

/// Adds the last lines of workloads that are not ready: what ends one is often no error to a filter.
pub fn last_words(path: &Path, picture: &mut Picture) -> Result<(), ImportError> {
    let ended: Vec<String> = picture
        .objects
        .keys()
        .filter(|id| short_of_instances(picture, id))
        .cloned()
        .collect();
    if ended.is_empty() || !path.exists() {
        return Ok(());
    }
    let all = packed(path)?;
    for object in ended {
        let name = object.trim_start_matches("app/");
        for key in [name.to_owned(), format!("{name}.previous")] {
            let lines = all.get(&key).and_then(Value::as_str).unwrap_or_default();
            let last = lines
                .lines()
                .rev()
                .take(MOST)
                .filter(|line| !line.trim().is_empty());
            let log = |line| Log {
                at: None,
                object: object.clone(),
                line: cut(line),
                count: 1,
            };
            picture.logs.extend(last.map(log));
        }
    }
    Ok(())
}

fn short_of_instances(picture: &Picture, id: &str) -> bool {
    let facts = picture.objects.get(id).map(|object| &object.facts);
    let number = |name: &str| facts?.get(name)?.as_f64();
    number("replicas.wanted")
        .zip(number("replicas.ready"))
        .is_some_and(|(wanted, ready)| ready < wanted)
}

/// Patterns with counts, or lists of lines by container, or one text.
fn lines(said: &Value) -> Vec<(&str, u64)> {
    if let Some(text) = said.as_str() {
        return text.lines().map(|line| (line, 1)).collect();
    }
    let mut all = Vec::new();
    for list in said
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.values())
    {
        for item in list.as_array().into_iter().flatten() {
            let count = item.get("count").and_then(Value::as_u64).unwrap_or(1);
            let line = item
                .as_str()
                .or_else(|| item.get("sample").and_then(Value::as_str));
            all.extend(line.map(|line| (line, count)));
        }
    }
    all
}

/// A line without its numbers: lines that differ in nothing else say the same.
fn template(line: &str) -> String {
    line.chars()
        .filter(|letter| !letter.is_ascii_digit())
        .take(300)
        .collect()
}

fn cut(line: &str) -> String {
    line.chars().take(LONGEST).collect()
}
