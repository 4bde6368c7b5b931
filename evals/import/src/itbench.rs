//! ITBench's SRE scenarios: what is broken, which alerts it raises, and how people would repair it.
//!
//! A scenario's folder holds `scenario.yaml` (the fault), `groundtruth.yaml` (what is at fault, and
//! solutions) and often `groundtruth_v1.yaml` (alerts and how trouble travels). No telemetry was
//! recorded, so a picture has objects, the alerts as events, and who leans on whom; how trouble
//! travels from the root itself stays out, as it would give the truth away.
//! Source: <https://github.com/itbench-hub/ITBench>.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ostler_diagnosis::picture::{Edge, Event, How, Kind, Object, Picture};
use serde_json::Value;

use crate::case::{Case, ImportError, Truth};

/// Where scenarios lie below the set's folder.
const SCENARIOS: &str = "scenarios/sre/project/roles/scenarios/files";

/// A scenario with the ways out that its authors name.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What is known and what is true.
    pub case: Case,
    /// Alternatives, each a list of steps: a command, or words where there is none.
    pub solutions: Vec<Vec<String>>,
}

/// Every scenario in which something is broken, in order of its folder's name; the set has others,
/// about cost.
///
/// # Errors
/// Which file cannot be read and why.
pub fn read(root: &Path) -> Result<Vec<Scenario>, ImportError> {
    let folder = root.join(SCENARIOS);
    let entries = fs::read_dir(&folder).map_err(|error| wrong(&folder, &error))?;
    let mut folders: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
        .iter()
        .filter_map(|folder| scenario(folder).transpose())
        .collect()
}

fn scenario(folder: &Path) -> Result<Option<Scenario>, ImportError> {
    let truth = document(&folder.join("groundtruth.yaml"))?;
    let fault = document(&folder.join("scenario.yaml"))?;
    if list(&fault, "/spec/faults").is_empty() {
        return Ok(None);
    }
    let earlier = folder.join("groundtruth_v1.yaml");
    let earlier = if earlier.exists() {
        document(&earlier)?
    } else {
        Value::Null
    };
    let truth = truth.get("spec").unwrap_or(&truth);
    let earlier = earlier.get("spec").unwrap_or(&earlier);
    let mut picture = Picture::default();
    let groups = groups(earlier, &mut picture);
    alerts(earlier, &groups, &mut picture);
    edges(earlier, &groups, &mut picture);
    let objects: BTreeSet<String> = list(truth, "/entities")
        .iter()
        .map(|entity| id(&text(entity, "/kind"), &text(entity, "/metadata/name")))
        .collect();
    let injected = text(&fault, "/spec/faults/0/injections/0/id");
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let truth_of_case = Truth::Faulty {
        objects: objects.into_iter().collect(),
        cause: Some(injected).filter(|cause| !cause.is_empty()),
    };
    Ok(Some(Scenario {
        case: Case {
            id: name,
            picture,
            truth: truth_of_case,
        },
        solutions: solutions(truth),
    }))
}

/// Objects by the ids that the alerts use.
fn groups(earlier: &Value, picture: &mut Picture) -> BTreeMap<String, (String, bool)> {
    let mut groups = BTreeMap::new();
    for group in list(earlier, "/groups") {
        let kind = text(group, "/kind");
        let own = text(group, "/name");
        let name = if own.is_empty() {
            plain(&text(group, "/filter/0"))
        } else {
            own
        };
        let object = id(&kind, &name);
        let root = group
            .get("root_cause")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let new = || Object {
            kind: meaning(&kind),
            facts: BTreeMap::new(),
        };
        picture.objects.entry(object.clone()).or_insert_with(new);
        groups.insert(text(group, "/id"), (object, root));
    }
    groups
}

fn alerts(earlier: &Value, groups: &BTreeMap<String, (String, bool)>, picture: &mut Picture) {
    for alert in list(earlier, "/alerts") {
        if let Some((object, _)) = groups.get(&text(alert, "/group_id")) {
            picture.events.push(Event {
                at: None,
                object: object.clone(),
                reason: reason(&text(alert, "/id")),
                message: text(alert, "/metadata/description"),
                count: 1,
            });
        }
    }
}

/// The set's names of alerts and ours; others keep theirs.
fn reason(alert: &str) -> String {
    let ours = match alert {
        "HighRequestErrorRate" => "ErrorsHigh",
        "HighRequestLatency" | "RequestLatency" => "LatencyHigh",
        "NoRequestsReceived" => "TrafficLow",
        other => other,
    };
    ours.to_owned()
}

/// Trouble travels from what is leaned on to what leans on it.
fn edges(earlier: &Value, groups: &BTreeMap<String, (String, bool)>, picture: &mut Picture) {
    for way in list(earlier, "/propagations") {
        let ends = groups
            .get(&text(way, "/source"))
            .zip(groups.get(&text(way, "/target")));
        if let Some(((source, false), (target, _))) = ends.filter(|((a, _), (b, _))| a != b) {
            let (from, to) = (target.clone(), source.clone());
            picture.edges.push(Edge {
                from,
                to,
                how: How::Calls,
            });
        }
    }
}

fn solutions(truth: &Value) -> Vec<Vec<String>> {
    let ways = list(truth, "/solutions")
        .iter()
        .flat_map(|way| way.as_array().into_iter().flatten());
    ways.map(|way| {
        list(way, "/steps")
            .iter()
            .map(|step| {
                let command = text(step, "/command");
                if command.is_empty() {
                    text(step, "/text")
                } else {
                    command
                }
            })
            .collect()
    })
    .collect()
}

fn id(kind: &str, name: &str) -> String {
    match meaning(kind) {
        Kind::Service => format!("app/{name}"),
        Kind::Node => format!("node/{name}"),
        _ => format!("{}/{name}", kind.to_ascii_lowercase()),
    }
}

fn meaning(kind: &str) -> Kind {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Service" | "Pod" => Kind::Service,
        "Node" => Kind::Node,
        "Namespace" => Kind::Namespace,
        "PersistentVolumeClaim" | "PersistentVolume" => Kind::Volume,
        _ => Kind::Platform,
    }
}

/// A filter is a pattern around a name: `cart-.*`, `cart\b`.
fn plain(filter: &str) -> String {
    let name = filter.replace("\\b", "").replace(".*", "");
    name.trim_matches(['-', '^', '$', '(', ')']).to_owned()
}

fn document(path: &Path) -> Result<Value, ImportError> {
    let text = fs::read_to_string(path).map_err(|error| wrong(path, &error))?;
    serde_saphyr::from_str(&text).map_err(|error| wrong(path, &error))
}

fn list<'v>(value: &'v Value, path: &str) -> &'v [Value] {
    value
        .pointer(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text(value: &Value, path: &str) -> String {
    value
        .pointer(path)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_what_it_finds() {
        assert_eq!(plain("cart-.*"), "cart");
        assert_eq!(plain("frontend\\b"), "frontend");
        assert_eq!(plain(".*product-catalog-delay"), "product-catalog-delay");
    }

    #[test]
    fn the_way_from_the_root_stays_out() {
        let spec: Value = serde_saphyr::from_str(
            "groups:\n- {id: a, kind: Service, filter: ['one\\b'], root_cause: true}\n- {id: b, kind: Service, filter: [two]}\n- {id: c, kind: Service, filter: [three]}\npropagations:\n- {source: a, target: b}\n- {source: b, target: c}\n",
        )
        .unwrap();
        let mut picture = Picture::default();
        let groups = groups(&spec, &mut picture);
        edges(&spec, &groups, &mut picture);
        assert_eq!(picture.objects.len(), 3);
        assert_eq!(picture.edges.len(), 1);
        assert_eq!(
            (picture.edges[0].from.as_str(), picture.edges[0].to.as_str()),
            ("app/three", "app/two")
        );
    }
}
