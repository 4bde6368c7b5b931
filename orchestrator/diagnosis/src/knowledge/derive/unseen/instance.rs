//! An instance's state from what happened to it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::Notes;
use super::{event, seen};
use crate::knowledge::cause::Who;
use crate::knowledge::view::View;

/// `waiting`, `restarts`, `scheduled`, `containers`, `ready`, each only where it was not seen.
pub fn derive(view: &View, id: &str, notes: &mut Notes) {
    let mut add = |name: &str, value: Value, from: Option<String>| {
        let unknown = view.value(id, name).is_none();
        from.filter(|_| unknown)
            .into_iter()
            .for_each(|from| notes.note_from(id, name, value.clone(), from));
    };
    let again = event(view, id, &["BackOff"], "restarting failed");
    let unready = || view.value(id, "ready") == Some(&Value::Bool(false));
    let crashes = again
        .clone()
        .filter(|_| unready() || view.value(id, "ready").is_none());
    add("waiting", "CrashLoopBackOff".into(), crashes);
    let ended = seen(view, id, "last_exit").or_else(|| seen(view, id, "last_reason"));
    let ended = ended
        .or_else(|| event(view, id, &["Killing"], "will be restarted"))
        .or(again);
    add("restarts", 1.0.into(), ended);
    add("scheduled", false.into(), unplaced(view, id));
    add(
        "containers",
        containers(view, id).into(),
        seen_containers(view, id),
    );
    add("ready", false.into(), not_up(view, id));
}

/// What shows that no node took it.
fn unplaced(view: &View, id: &str) -> Option<String> {
    let placed =
        !view.near(id, Who::Hosts).is_empty() || event(view, id, &["Scheduled"], "").is_some();
    if placed {
        return None;
    }
    let pending = view.value(id, "phase").and_then(Value::as_str) == Some("Pending");
    event(view, id, &["FailedScheduling"], "")
        .or_else(|| seen(view, id, "phase").filter(|_| pending && others_are_placed(view, id)))
}

/// Where machines are known at all, an instance without one waits for one.
fn others_are_placed(view: &View, id: &str) -> bool {
    let siblings = view.near(id, Who::Siblings);
    siblings
        .into_iter()
        .any(|other| !view.near(other, Who::Hosts).is_empty())
}

/// What shows that it does not work.
fn not_up(view: &View, id: &str) -> Option<String> {
    let phase = view.value(id, "phase").and_then(Value::as_str);
    let down = matches!(phase, Some("Pending" | "Failed"));
    let waits = ["waiting", "init_waiting"];
    let waits = waits.iter().find_map(|name| seen(view, id, name));
    let unscheduled = view.value(id, "scheduled") == Some(&Value::Bool(false));
    waits
        .or_else(|| seen(view, id, "phase").filter(|_| down))
        .or_else(|| seen(view, id, "scheduled").filter(|_| unscheduled))
        .or_else(|| unplaced(view, id))
        .or_else(|| whole_is_down(view, id))
}

/// None of its service's instances is ready.
fn whole_is_down(view: &View, id: &str) -> Option<String> {
    view.near(id, Who::Whole).into_iter().find_map(|service| {
        let wanted = view.number(service, "replicas.wanted").unwrap_or(1.0);
        let none = view.number(service, "replicas.ready") == Some(0.0) && wanted > 0.0;
        seen(view, service, "replicas.ready").filter(|_| none)
    })
}

/// Names of containers that were made for it.
fn made<'v>(view: &'v View, id: &str) -> BTreeSet<&'v str> {
    let made = view.events(id).filter_map(|(_, event)| {
        let words = event.message.strip_prefix("Created container ");
        words.or_else(|| event.message.strip_prefix("Started container "))
    });
    made.map(str::trim).collect()
}

fn containers(view: &View, id: &str) -> usize {
    made(view, id).len()
}

fn seen_containers(view: &View, id: &str) -> Option<String> {
    event(view, id, &["Created"], "Created container ")
        .or_else(|| event(view, id, &["Started"], "Started container "))
}
