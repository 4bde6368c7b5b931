//! What workloads wrote, as the error-log tool groups it.

use std::collections::BTreeMap;

use ostler_diagnosis::picture::{Log, Picture};
use serde_json::Value;

use super::cache::Cache;

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
            let entry = counts.entry(template(line)).or_insert_with(|| (cut(line), 0));
            entry.1 += count;
        }
        let logs = counts.into_values().take(MOST);
        picture.logs.extend(logs.map(|(line, count)| Log { at: None, object: object.clone(), line, count }));
    }
}

/// Patterns with counts, or lists of lines by container, or one text.
fn lines(said: &Value) -> Vec<(&str, u64)> {
    if let Some(text) = said.as_str() {
        return text.lines().map(|line| (line, 1)).collect();
    }
    let mut all = Vec::new();
    for list in said.as_object().into_iter().flat_map(|fields| fields.values()) {
        for item in list.as_array().into_iter().flatten() {
            let count = item.get("count").and_then(Value::as_u64).unwrap_or(1);
            let line = item.as_str().or_else(|| item.get("sample").and_then(Value::as_str));
            all.extend(line.map(|line| (line, count)));
        }
    }
    all
}

/// A line without its numbers: lines that differ in nothing else say the same.
fn template(line: &str) -> String {
    line.chars().filter(|letter| !letter.is_ascii_digit()).take(300).collect()
}

fn cut(line: &str) -> String {
    line.chars().take(LONGEST).collect()
}
