//! Quotas of the namespace.

use ostler_diagnosis::picture::Picture;
use serde_json::{Map, Value, json};

use super::cache::Cache;
use super::kubectl::quantity::amount;
use super::set;

/// Sets `quota`: per resource what is used and what is allowed.
pub fn read(cache: &Cache, namespace: &str, picture: &mut Picture) {
    let mut quota: Map<String, Value> = Map::new();
    for row in cache.list("resourcequota").unwrap_or_default() {
        for cell in ["REQUEST", "LIMIT"]
            .iter()
            .filter_map(|heading| row.get(*heading))
        {
            for entry in cell.split(',') {
                quota.extend(limit(entry));
            }
        }
    }
    if !quota.is_empty() {
        set(picture, &format!("namespace/{namespace}"), "quota", quota);
    }
}

/// `requests.cpu: 10/12`
fn limit(entry: &str) -> Option<(String, Value)> {
    let (name, amounts) = entry.split_once(": ")?;
    let (used, limit) = amounts.trim().split_once('/')?;
    Some((
        name.trim().to_owned(),
        json!({ "used": amount(used)?, "limit": amount(limit)? }),
    ))
}
