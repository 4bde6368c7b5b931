//! Secrets that a workload cannot start without, held against those that are there.

use std::collections::BTreeSet;

use ostler_diagnosis::picture::Picture;
use serde_json::Value;

use super::cache::Cache;
use super::set;

/// Names of secrets in a pod's specification that are not optional: whole, single keys, mounted.
pub fn needed(spec: &Value) -> Vec<Value> {
    let containers = items(spec.get("containers")).chain(items(spec.get("initContainers")));
    let settings = containers.flat_map(|container| {
        let whole = items(container.get("envFrom")).filter_map(|from| from.get("secretRef"));
        let keys = items(container.get("env"))
            .filter_map(|entry| entry.get("valueFrom")?.get("secretKeyRef"));
        whole.chain(keys).filter_map(|one| named(one, "name"))
    });
    let mounted = items(spec.get("volumes"))
        .filter_map(|volume| volume.get("secret"))
        .filter_map(|secret| named(secret, "secretName"));
    let names: BTreeSet<&str> = settings.chain(mounted).collect();
    names.into_iter().map(Value::from).collect()
}

/// Sets `secrets.missing` where one that is needed is in no list.
pub fn missing(cache: &Cache, picture: &mut Picture) {
    let Some(rows) = cache.list("secrets") else {
        return;
    };
    let there: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.get("NAME").map(String::as_str))
        .collect();
    let absent = |name: &&Value| name.as_str().is_some_and(|name| !there.contains(name));
    let missing: Vec<(String, Vec<Value>)> = picture
        .objects
        .iter()
        .filter_map(|(id, object)| Some((id, object.facts.get("secrets.needed")?)))
        .map(|(id, needed)| {
            (
                id.clone(),
                items(Some(needed)).filter(absent).cloned().collect(),
            )
        })
        .collect();
    for (id, names) in missing.into_iter().filter(|(_, names)| !names.is_empty()) {
        set(picture, &id, "secrets.missing", names);
    }
}

fn named<'v>(one: &'v Value, key: &str) -> Option<&'v str> {
    let optional = one.get("optional").and_then(Value::as_bool) == Some(true);
    one.get(key)?.as_str().filter(|_| !optional)
}

fn items(value: Option<&Value>) -> std::slice::Iter<'_, Value> {
    value
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice)
        .iter()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_that_are_not_optional_are_needed() {
        let spec = json!({
            "containers": [{
                "envFrom": [{"secretRef": {"name": "whole"}}, {"configMapRef": {"name": "no"}}],
                "env": [
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "a"}}},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "may", "key": "b", "optional": true}}},
                    {"name": "C", "value": "c"},
                ],
            }],
            "volumes": [{"name": "v", "secret": {"secretName": "mounted"}}],
        });
        assert_eq!(needed(&spec), ["key", "mounted", "whole"]);
    }
}
