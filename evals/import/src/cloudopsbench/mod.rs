//! Cloud-OpsBench: incidents of two Kubernetes systems, as answers of `kubectl`-like tools.
//!
//! A case's folder holds `metadata.json` (the truth, and the complaint), `tool_cache.json.gz` (what
//! the tools would answer) and `raw_data/`. Of `metadata.json` only `query` enters the picture.
//! Source: <https://github.com/LLM4Ops/Cloud-OpsBench>.

mod alerts;
mod cache;
mod happenings;
mod instances;
mod kubectl;
mod limits;
mod logs;
mod manifest;
mod metrics;
mod nodes;
mod routing;
mod secrets;
mod storage;
mod truth;
mod workloads;

use std::fs;
use std::path::{Path, PathBuf};

use ostler_diagnosis::picture::{Kind, Object, Picture};
use serde_json::Value;

use crate::case::{Case, ImportError, Truth};
use cache::Cache;
pub use truth::{accepted, right};

/// Every case of the set, in order of its path.
///
/// # Errors
/// The first folder that cannot be read.
pub fn read(root: &Path) -> Result<Vec<Case>, ImportError> {
    folders(root)?
        .iter()
        .map(|folder| read_case(root, folder))
        .collect()
}

/// Folders of cases below the set's `benchmark` folder.
///
/// # Errors
/// When the set's folder cannot be listed.
pub fn folders(root: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let mut level = vec![root.join("benchmark")];
    for _ in 0..3 {
        let mut below = Vec::new();
        for folder in &level {
            let entries = fs::read_dir(folder).map_err(|error| wrong(folder, &error))?;
            below.extend(
                entries
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| path.is_dir()),
            );
        }
        level = below;
    }
    level.sort();
    Ok(level)
}

/// One case.
///
/// # Errors
/// Which file cannot be read and why.
pub fn read_case(root: &Path, folder: &Path) -> Result<Case, ImportError> {
    let file = folder.join("metadata.json");
    let text = fs::read_to_string(&file).map_err(|error| wrong(&file, &error))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| wrong(&file, &error))?;
    let namespace = text_of(&metadata, "namespace");
    let mut picture = picture(
        &Cache::read(&folder.join("tool_cache.json.gz"))?,
        &namespace,
    );
    logs::last_words(&folder.join("raw_data/logs.json.gz"), &mut picture)?;
    metrics::read(&folder.join("raw_data/metrics.csv"), &mut picture)?;
    if picture.signals.is_empty() {
        picture.signals = alerts::signals(&picture);
    }
    picture.symptom = Some(text_of(&metadata, "query")).filter(|query| !query.is_empty());
    let result = metadata.get("result").unwrap_or(&Value::Null);
    let truth = Truth::Faulty {
        objects: vec![text_of(result, "fault_object")],
        cause: Some(text_of(result, "root_cause")),
    };
    let below = folder
        .strip_prefix(root.join("benchmark"))
        .unwrap_or(folder);
    Ok(Case {
        id: below.display().to_string(),
        picture,
        truth,
    })
}

fn picture(cache: &Cache, namespace: &str) -> Picture {
    let mut picture = Picture::default();
    add(
        &mut picture,
        &format!("namespace/{namespace}"),
        Kind::Namespace,
    );
    nodes::read(cache, &mut picture);
    workloads::read(cache, namespace, &mut picture);
    instances::read(cache, &mut picture);
    routing::read(cache, &mut picture);
    storage::read(cache, &mut picture);
    secrets::missing(cache, &mut picture);
    limits::read(cache, namespace, &mut picture);
    happenings::read(cache, &mut picture);
    alerts::read(cache, &mut picture);
    logs::read(cache, &mut picture);
    picture
}

/// The object with an id, made where it is not there yet.
fn add<'p>(picture: &'p mut Picture, id: &str, kind: Kind) -> &'p mut Object {
    let new = || Object {
        kind,
        facts: std::collections::BTreeMap::default(),
    };
    picture.objects.entry(id.to_owned()).or_insert_with(new)
}

/// Sets a fact of an object that is there.
fn set(picture: &mut Picture, id: &str, name: &str, value: impl Into<Value>) {
    if let Some(object) = picture.objects.get_mut(id) {
        object.facts.insert(name.to_owned(), value.into());
    }
}

fn text_of(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn wrong(path: &Path, words: &impl ToString) -> ImportError {
    ImportError {
        path: path.display().to_string(),
        words: words.to_string(),
    }
}
