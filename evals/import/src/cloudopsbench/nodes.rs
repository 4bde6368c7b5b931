//! Nodes: labels, taints, conditions, what they can hold, and which of their components run.

use ostler_diagnosis::picture::{Kind, Picture};
use serde_json::{Map, Value, json};

use super::cache::Cache;
use super::kubectl::describe::{Entry, tree};
use super::kubectl::quantity::amount;
use super::{add, set};

/// Adds `node/…` objects.
pub fn read(cache: &Cache, picture: &mut Picture) {
    for (name, text) in cache.described("nodes") {
        let id = format!("node/{name}");
        add(picture, &id, Kind::Node);
        node(&id, &tree(text), picture);
    }
    for answer in cache.of("CheckNodeServiceStatus") {
        let id = format!("node/{}", answer.word("node_name"));
        let line = answer
            .text()
            .lines()
            .find_map(|line| line.trim().strip_prefix("Active: "));
        if let Some(line) = line {
            let state = if line.starts_with("active") {
                "running"
            } else {
                "stopped"
            };
            set(
                picture,
                &id,
                &format!("node.component.{}", answer.word("service_name")),
                state,
            );
        }
    }
}

fn node(id: &str, root: &Entry, picture: &mut Picture) {
    let mut labels: Map<String, Value> = root
        .values_of("Labels")
        .iter()
        .filter_map(|label| label.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    // By convention a node's host name label is its name, even where somebody removed it.
    let name = id.trim_start_matches("node/");
    labels
        .entry("kubernetes.io/hostname")
        .or_insert_with(|| name.into());
    set(picture, id, "node.labels", labels);
    let roles = root.value_of("Roles").unwrap_or_default();
    set(
        picture,
        id,
        "node.control_plane",
        ["master", "control-plane"]
            .iter()
            .any(|role| roles.contains(role)),
    );
    let taints: Vec<Value> = root
        .values_of("Taints")
        .iter()
        .filter_map(|text| taint(text))
        .collect();
    set(picture, id, "node.taints", taints);
    set(
        picture,
        id,
        "node.cordoned",
        root.value_of("Unschedulable") == Some("true"),
    );
    for line in root.get("Conditions").map_or(&[][..], |entry| &entry.below) {
        let mut words = line.key.split_whitespace();
        let (name, status) = (words.next().unwrap_or_default(), words.next());
        let fact = match name {
            "Ready" => "node.ready",
            "MemoryPressure" => "node.memory_pressure",
            "DiskPressure" => "node.disk_pressure",
            "PIDPressure" => "node.pid_pressure",
            "NetworkUnavailable" => "node.network_unavailable",
            _ => continue,
        };
        set(picture, id, fact, status == Some("True"));
    }
    for what in ["cpu", "memory"] {
        let there = root
            .get("Allocatable")
            .and_then(|entry| amount(entry.value_of(what)?));
        there
            .into_iter()
            .for_each(|there| set(picture, id, &format!("node.allocatable.{what}"), there));
    }
}

/// `key=value:Effect`
fn taint(text: &str) -> Option<Value> {
    let (pair, effect) = text.rsplit_once(':')?;
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Some(json!({ "key": key, "value": value, "effect": effect }))
}
