//! Why a claim gets no volume.

use serde_json::Value;

use super::{Notes, list, selects};
use crate::knowledge::cause::Who;
use crate::knowledge::view::View;
use crate::picture::Kind;

/// Whoever has one of these is a volume, and no claim.
const SHOWS_VOLUME: [&str; 4] = ["volume.size", "volume.free", "volume.class", "volume.modes"];

/// `claim.stopped_by`: `class`, `modes`, `selector`, `size` or `occupied`; what the volume that
/// comes closest lacks. `none` where there is no volume at all.
pub fn derive(view: &View, notes: &mut Notes) {
    let volumes: Vec<&str> = view
        .of_kind(Kind::Volume)
        .filter(|id| {
            SHOWS_VOLUME
                .iter()
                .any(|name| view.value(id, name).is_some())
        })
        .collect();
    let mut wanting = Vec::new();
    for claim in view.of_kind(Kind::Volume) {
        if waits(view, claim) {
            let by = stopped_by(view, claim, &volumes);
            notes.note(claim, "claim.stopped_by", by, "claim.bound");
            wanting.push((claim, by));
        }
    }
    // Who mounts a claim waits with it.
    for (claim, by) in wanting {
        for user in view.near(claim, Who::Users) {
            notes.note_from(
                user,
                "storage.stopped_by",
                by,
                format!("objects/{claim}/facts/claim.bound"),
            );
        }
    }
}

/// Whether a claim has no volume: it says so, or whoever mounts it is told so.
fn waits(view: &View, claim: &str) -> bool {
    let told = |part: &str| {
        let unplaced = view.value(part, "scheduled") == Some(&Value::Bool(false));
        let mut events = view.events(part);
        unplaced && events.any(|(_, event)| event.message.contains("unbound immediate"))
    };
    match view.value(claim, "claim.bound").and_then(Value::as_bool) {
        Some(bound) => !bound,
        None => view
            .near(claim, Who::Users)
            .into_iter()
            .flat_map(|user| view.with_parts(user))
            .any(told),
    }
}

fn stopped_by(view: &View, claim: &str, volumes: &[&str]) -> &'static str {
    let null = Value::Null;
    let of = |name: &str| view.value(claim, name).unwrap_or(&null);
    let named = of("claim.volume").as_str().filter(|name| !name.is_empty());
    let best = volumes
        .iter()
        .filter(|volume| named.is_none_or(|named| volume.ends_with(&format!("/{named}"))))
        .map(|volume| lacks(view, claim, volume))
        .filter(|lacks| !lacks.is_empty())
        // Fewest lacks; of these one that is free, as nobody would look at another's volume first.
        .min_by_key(|lacks| (lacks.len(), lacks.contains(&"occupied")));
    best.and_then(|lacks| lacks.first().copied())
        .unwrap_or("none")
}

fn lacks(view: &View, claim: &str, volume: &str) -> Vec<&'static str> {
    let null = Value::Null;
    let of = |object: &str, name: &str| view.value(object, name).cloned().unwrap_or(null.clone());
    let number = |object: &str, name: &str| view.number(object, name).unwrap_or_default();
    let seen = |object: &str, name: &str| view.value(object, name).is_some();
    let both = |wants: &str, has: &str| seen(claim, wants) && seen(volume, has);
    let mut lacks = Vec::new();
    if both("claim.class", "volume.class")
        && class(&of(claim, "claim.class")) != class(&of(volume, "volume.class"))
    {
        lacks.push("class");
    }
    let modes = of(volume, "volume.modes");
    if both("claim.modes", "volume.modes")
        && list(Some(&of(claim, "claim.modes")))
            .iter()
            .any(|mode| !list(Some(&modes)).contains(mode))
    {
        lacks.push("modes");
    }
    if seen(volume, "volume.labels")
        && !selects(&of(claim, "claim.selector"), &of(volume, "volume.labels"))
    {
        lacks.push("selector");
    }
    if seen(volume, "volume.size") && number(claim, "claim.size") > number(volume, "volume.size") {
        lacks.push("size");
    }
    // A volume may be kept for a claim before it is bound to it.
    let kept_for = of(volume, "volume.claim");
    let kept_for = kept_for.as_str().filter(|name| !name.is_empty());
    let others = kept_for.is_some_and(|name| !claim.ends_with(&format!("/{name}")));
    if of(volume, "volume.free") == Value::Bool(false) || others {
        lacks.push("occupied");
    }
    lacks
}

fn class(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
