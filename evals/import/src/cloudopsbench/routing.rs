//! Services: which addresses lead to which workload, and whether they are reached.

use std::collections::BTreeMap;

use ostler_diagnosis::picture::{How, Kind, Picture};
use serde_json::{Map, Value, json};

use super::cache::Cache;
use super::kubectl::describe::{Entry, tree};
use super::set;
use super::workloads::link;

/// Sets `names`, `service.*`, `reachable`, and adds calls to the addresses that workloads were given.
pub fn read(cache: &Cache, picture: &mut Picture) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let described: Vec<(&str, Entry)> = cache
        .described("services")
        .map(|(name, text)| (name, tree(text)))
        .collect();
    for (name, root) in &described {
        if let Some(app) = owner(name, root, picture) {
            owners.insert((*name).to_owned(), app);
        }
    }
    for (name, root) in &described {
        let Some(app) = owners.get(*name) else {
            continue;
        };
        // The service of the same name speaks for a workload; another one only where there is none.
        if app.strip_prefix("app/") == Some(name)
            || !owners.contains_key(app.trim_start_matches("app/"))
        {
            service(app, root, picture);
        }
    }
    names(&owners, picture);
    if let Some(rows) = cache.list("services") {
        missing(&rows, picture);
    }
    reached(cache, &owners, picture);
    calls(&owners, picture);
}

/// The workload behind a service: of the same name, or the one with the labels it selects.
fn owner(name: &str, root: &Entry, picture: &Picture) -> Option<String> {
    let same = format!("app/{name}");
    if picture.objects.contains_key(&same) {
        return Some(same);
    }
    let wanted = labels(&root.values_of("Selector"));
    let selected = picture.objects.iter().find(|(_, object)| {
        let labels = object.facts.get("workload.labels");
        !wanted.is_empty()
            && wanted
                .iter()
                .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    });
    let by_name = || {
        let of = |id: &&String| {
            id.strip_prefix("app/")
                .is_some_and(|app| name.starts_with(app))
        };
        picture.objects.keys().filter(of).max_by_key(|id| id.len())
    };
    selected.map(|(id, _)| id).or_else(by_name).cloned()
}

fn service(app: &str, root: &Entry, picture: &mut Picture) {
    let selector = labels(&root.values_of("Selector"));
    if !selector.is_empty() {
        set(picture, app, "service.selector", selector);
    }
    let mut ports: Vec<Value> = Vec::new();
    for entry in &root.below {
        let (number, protocol) = entry
            .value
            .rsplit_once('/')
            .unwrap_or((&entry.value, "TCP"));
        let number = number.split_whitespace().last().unwrap_or_default();
        match entry.key.as_str() {
            "Port" => ports.push(json!({ "port": port(number), "protocol": protocol })),
            "TargetPort" => {
                if let Some(last) = ports.last_mut().and_then(Value::as_object_mut) {
                    last.insert("target".to_owned(), port(number));
                }
            }
            _ => {}
        }
    }
    set(picture, app, "service.ports", ports);
    let endpoints = root.value_of("Endpoints").unwrap_or_default();
    set(
        picture,
        app,
        "service.endpoints",
        endpoints.split(',').filter(|one| one.contains(':')).count(),
    );
    set(picture, app, "service.exists", true);
}

fn names(owners: &BTreeMap<String, String>, picture: &mut Picture) {
    let mut names: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (name, app) in owners {
        names.entry(app).or_default().push(name);
    }
    for (app, names) in names {
        set(picture, app, "names", json!(names));
    }
}

/// A service that a manifest declares and no list has.
fn missing(rows: &[BTreeMap<String, String>], picture: &mut Picture) {
    let there: Vec<&String> = rows.iter().filter_map(|row| row.get("NAME")).collect();
    let gone: Vec<String> = picture
        .objects
        .iter()
        .filter(|(_, object)| object.facts.contains_key("service.declared"))
        .filter(|(id, _)| {
            there
                .iter()
                .all(|name| id.strip_prefix("app/") != Some(name))
        })
        .map(|(id, _)| id.clone())
        .collect();
    gone.iter()
        .for_each(|id| set(picture, id, "service.exists", false));
}

fn reached(cache: &Cache, owners: &BTreeMap<String, String>, picture: &mut Picture) {
    for (name, said) in cache.by("CheckServiceConnectivity", "service_name") {
        let same = format!("app/{name}");
        let app = owners.get(name).unwrap_or(&same);
        let text = said.as_str().unwrap_or_default();
        if text.contains("Connection ") && *app == same {
            set(picture, app, "reachable", text.contains("Succeeded"));
        }
    }
}

/// A workload that was given an address calls whom it leads to.
fn calls(owners: &BTreeMap<String, String>, picture: &mut Picture) {
    let mut found = Vec::new();
    for (id, object) in picture
        .objects
        .iter()
        .filter(|(_, object)| object.kind == Kind::Service)
    {
        let addresses = object.facts.get("addresses").and_then(Value::as_array);
        for address in addresses.into_iter().flatten() {
            let host = address
                .get("host")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let name = host.split('.').next().unwrap_or_default();
            found.extend(owners.get(name).map(|owner| (id.clone(), owner.clone())));
        }
    }
    for (from, to) in found {
        link(picture, &from, &to, How::Calls);
    }
}

fn labels(texts: &[&str]) -> Map<String, Value> {
    let pairs = texts.iter().flat_map(|text| text.split(','));
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}

fn port(text: &str) -> Value {
    text.parse::<u16>()
        .map_or_else(|_| text.into(), Value::from)
}
