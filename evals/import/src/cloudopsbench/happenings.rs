//! What the platform said happened: to things that are still there.

use std::collections::BTreeSet;

use ostler_diagnosis::picture::{Event, Picture};

use super::cache::Cache;
use super::kubectl::describe::{Happened, events};
use super::kubectl::quantity::age_s;

/// Adds events of pods, claims and nodes from their descriptions, and of replica sets from the list.
pub fn read(cache: &Cache, picture: &mut Picture) {
    let mut done: BTreeSet<String> = BTreeSet::new();
    for (kind, prefix) in [
        ("pods", "pod"),
        ("pod", "pod"),
        ("persistentvolumeclaims", "claim"),
        ("nodes", "node"),
    ] {
        for (name, text) in cache.described(kind) {
            let id = format!("{prefix}/{name}");
            if picture.objects.contains_key(&id) && done.insert(id.clone()) {
                let all = events(text).into_iter();
                picture
                    .events
                    .extend(all.map(|happened| event(cache, &id, happened)));
            }
        }
    }
    replica_sets(cache, picture);
}

/// The list has lines `age type reason kind/name message`; only sets that want instances speak.
fn replica_sets(cache: &Cache, picture: &mut Picture) {
    let wanted: BTreeSet<String> = cache
        .list("replicasets")
        .unwrap_or_default()
        .into_iter()
        .filter(|row| row.get("DESIRED").is_some_and(|desired| desired != "0"))
        .filter_map(|row| row.get("NAME").cloned())
        .collect();
    for line in cache.texts("events").flat_map(str::lines) {
        let mut words = line.split_whitespace();
        let (age, _, reason, object) = (
            words.next(),
            words.next(),
            words.next(),
            words.next().unwrap_or_default(),
        );
        let Some(name) = object
            .strip_prefix("replicaset/")
            .filter(|name| wanted.contains(*name))
        else {
            continue;
        };
        let Some((app, _)) = name.rsplit_once('-') else {
            continue;
        };
        let message = line
            .split_once(object)
            .map_or("", |(_, message)| message)
            .trim();
        let happened = Happened {
            reason: reason.unwrap_or_default().to_owned(),
            ago_s: age.and_then(age_s),
            count: 1,
            message: message.to_owned(),
        };
        picture
            .events
            .push(event(cache, &format!("app/{app}"), happened));
    }
}

fn event(cache: &Cache, object: &str, happened: Happened) -> Event {
    Event {
        at: cache
            .collected
            .zip(happened.ago_s)
            .map(|(now, ago)| now - ago),
        object: object.to_owned(),
        reason: happened.reason,
        message: happened.message,
        count: happened.count,
    }
}
