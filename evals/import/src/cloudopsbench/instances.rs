//! Pods: where they run and in what state.

use ostler_diagnosis::picture::{How, Kind, Picture};

use super::cache::Cache;
use super::kubectl::describe::{Entry, tree};
use super::workloads::link;
use super::{add, set};

/// Adds `pod/…` objects with their service and node.
pub fn read(cache: &Cache, picture: &mut Picture) {
    for kind in ["pods", "pod"] {
        for (name, text) in cache.described(kind) {
            let id = format!("pod/{name}");
            if !name.is_empty() && !picture.objects.contains_key(&id) {
                pod(&id, &tree(text), picture);
            }
        }
    }
}

fn pod(id: &str, root: &Entry, picture: &mut Picture) {
    let Some(app) = owner(root) else { return };
    add(picture, id, Kind::Instance);
    link(picture, id, &format!("app/{app}"), How::PartOf);
    let node = root
        .value_of("Node")
        .and_then(|node| node.split('/').next());
    match node {
        Some(node) => link(picture, id, &format!("node/{node}"), How::RunsOn),
        None => set(picture, id, "scheduled", false),
    }
    for (key, name) in [("Status", "phase"), ("Reason", "terminated")] {
        if let Some(value) = root.value_of(key) {
            set(picture, id, name, value);
        }
    }
    let conditions = root.get("Conditions").map_or(&[][..], |entry| &entry.below);
    let ready = conditions
        .iter()
        .find_map(|line| line.key.strip_prefix("Ready "));
    set(
        picture,
        id,
        "ready",
        ready.is_some_and(|status| status.trim() == "True"),
    );
    containers(id, root, picture);
    claims(root, &app, picture);
}

/// The deployment or stateful set that made a pod.
fn owner(root: &Entry) -> Option<String> {
    let (kind, name) = root.value_of("Controlled By")?.split_once('/')?;
    match kind {
        "ReplicaSet" => Some(name.rsplit_once('-')?.0.to_owned()),
        "StatefulSet" => Some(name.to_owned()),
        _ => None,
    }
}

fn containers(id: &str, root: &Entry, picture: &mut Picture) {
    let all = root.get("Containers").map_or(&[][..], |entry| &entry.below);
    let mut restarts = 0.0;
    for container in all {
        restarts += container
            .value_of("Restart Count")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0);
        let reason = |key: &str| {
            container
                .get(key)
                .and_then(|state| state.value_of("Reason"))
        };
        let waits = container.value_of("State") == Some("Waiting");
        if let Some(reason) = reason("State").filter(|_| waits) {
            set(picture, id, "waiting", reason);
        }
        if let Some(reason) = reason("State").filter(|_| !waits) {
            set(picture, id, "terminated", reason);
        }
        if let Some(last) = container.get("Last State") {
            let exit = last
                .value_of("Exit Code")
                .and_then(|text| text.parse::<f64>().ok());
            exit.into_iter()
                .for_each(|exit| set(picture, id, "last_exit", exit));
            last.value_of("Reason")
                .into_iter()
                .for_each(|reason| set(picture, id, "last_reason", reason));
        }
    }
    set(picture, id, "restarts", restarts);
    set(picture, id, "containers", all.len());
    for container in root
        .get("Init Containers")
        .map_or(&[][..], |entry| &entry.below)
    {
        let state = container
            .get("State")
            .filter(|state| state.value != "Terminated");
        let reason = state.and_then(|state| state.value_of("Reason"));
        reason
            .into_iter()
            .for_each(|reason| set(picture, id, "init_waiting", reason));
    }
}

fn claims(root: &Entry, app: &str, picture: &mut Picture) {
    for volume in root.get("Volumes").map_or(&[][..], |entry| &entry.below) {
        if let Some(claim) = volume.value_of("ClaimName") {
            let id = format!("claim/{claim}");
            add(picture, &id, Kind::Volume);
            link(picture, &format!("app/{app}"), &id, How::Uses);
        }
    }
}
