//! What a machine is for, from its labels and from what runs on it.

use super::super::{Notes, text};
use super::seen;
use crate::knowledge::view::View;

/// Programs that run only where a fleet is steered.
const STEERS: [&str; 3] = [
    "node.component.kube-scheduler",
    "node.component.kube-apiserver",
    "node.component.kube-controller-manager",
];

/// `node.control_plane`, only where it was not seen.
pub fn derive(view: &View, id: &str, notes: &mut Notes) {
    if view.value(id, "node.control_plane").is_none() {
        let steers = STEERS.iter().find_map(|name| seen(view, id, name));
        let labelled = seen(view, id, "node.labels").filter(|_| labelled(view, id));
        if let Some(from) = steers.or(labelled) {
            notes.note_from(id, "node.control_plane", true, from);
        }
    }
}

/// Labels of Kubernetes and of its common installers.
fn labelled(view: &View, id: &str) -> bool {
    let Some(labels) = view.value(id, "node.labels") else {
        return false;
    };
    let role = |key: &str| {
        labels
            .get(format!("node-role.kubernetes.io/{key}"))
            .is_some()
    };
    let word = text(labels, "kubernetes.io/role");
    role("control-plane") || role("master") || ["control-plane", "master"].contains(&word)
}
