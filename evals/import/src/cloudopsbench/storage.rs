//! Claims and volumes as they are.

use ostler_diagnosis::picture::{Kind, Picture};
use serde_json::{Map, Value};

use super::cache::Cache;
use super::kubectl::describe::tree;
use super::kubectl::quantity::amount;
use super::{add, set};

/// Adds `volume/…` objects, says which claims are bound, and which are wanted but not there.
pub fn read(cache: &Cache, picture: &mut Picture) {
    for (name, text) in cache.described("persistentvolumes") {
        let root = tree(text);
        let id = format!("volume/{name}");
        add(picture, &id, Kind::Volume);
        let value = |key: &str| root.value_of(key).unwrap_or_default();
        set(
            picture,
            &id,
            "volume.size",
            amount(value("Capacity")).unwrap_or_default(),
        );
        set(picture, &id, "volume.class", value("StorageClass"));
        set(picture, &id, "volume.free", value("Status") == "Available");
        let claim = value("Claim").rsplit('/').next().unwrap_or_default();
        set(picture, &id, "volume.claim", claim);
        let modes: Vec<Value> = value("Access Modes").split(',').map(Value::from).collect();
        set(picture, &id, "volume.modes", modes);
        let labels: Map<String, Value> = root
            .values_of("Labels")
            .iter()
            .filter_map(|label| label.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        set(picture, &id, "volume.labels", labels);
    }
    let Some(rows) = cache.list("persistentvolumeclaims") else {
        return;
    };
    for row in &rows {
        let Some(name) = row.get("NAME") else {
            continue;
        };
        let id = format!("claim/{name}");
        add(picture, &id, Kind::Volume);
        set(
            picture,
            &id,
            "claim.bound",
            row.get("STATUS").is_some_and(|status| status == "Bound"),
        );
    }
    missing(picture);
}

/// Who uses a claim that no list has.
fn missing(picture: &mut Picture) {
    let waiting: Vec<(String, String)> = picture
        .edges
        .iter()
        .filter(|edge| edge.to.starts_with("claim/"))
        .filter(|edge| {
            let claim = picture.objects.get(&edge.to);
            claim.is_some_and(|claim| !claim.facts.contains_key("claim.bound"))
        })
        .map(|edge| (edge.from.clone(), edge.to.clone()))
        .collect();
    for (app, claim) in waiting {
        let size = picture
            .objects
            .get(&claim)
            .and_then(|claim| claim.facts.get("claim.size"))
            .cloned();
        set(picture, &app, "claims.missing", vec![claim]);
        size.into_iter()
            .for_each(|size| set(picture, &app, "claims.missing_size", size));
    }
}
