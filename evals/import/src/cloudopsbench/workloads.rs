//! Deployments and stateful sets: how many are wanted and there, and what their manifests say.

use ostler_diagnosis::picture::{Edge, How, Kind, Picture};

use super::cache::Cache;
use super::{add, manifest, set};

/// Adds `app/…` objects.
pub fn read(cache: &Cache, namespace: &str, picture: &mut Picture) {
    for kind in ["deployments", "statefulsets"] {
        for row in cache.list(kind).unwrap_or_default() {
            let Some(name) = row.get("NAME") else {
                continue;
            };
            let id = app(picture, name, namespace);
            let ready = row.get("READY").and_then(|cell| cell.split_once('/'));
            if let Some((ready, wanted)) = ready.and_then(|(a, b)| Some((number(a)?, number(b)?))) {
                set(picture, &id, "replicas.ready", ready);
                set(picture, &id, "replicas.wanted", wanted);
            }
        }
    }
    created(cache, picture);
    for (name, said) in cache.by("GetAppYAML", "app_name") {
        let id = app(picture, name, namespace);
        manifest::read(said.as_str().unwrap_or_default(), &id, picture);
    }
    accounts(cache, picture);
    for (name, text) in cache.by("GetServiceDependencies", "service_name") {
        calls(name, text.as_str().unwrap_or_default(), picture);
    }
    picture.edges.sort_by(|one, other| {
        (&one.from, &one.to, one.how).cmp(&(&other.from, &other.to, other.how))
    });
    picture.edges.dedup();
}

fn app(picture: &mut Picture, name: &str, namespace: &str) -> String {
    let id = format!("app/{name}");
    add(picture, &id, Kind::Service);
    link(picture, &id, &format!("namespace/{namespace}"), How::PartOf);
    id
}

/// How many instances were made, over all revisions of each deployment.
fn created(cache: &Cache, picture: &mut Picture) {
    let mut sums: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
    for row in cache.list("replicasets").unwrap_or_default() {
        let Some((name, _)) = row.get("NAME").and_then(|name| name.rsplit_once('-')) else {
            continue;
        };
        let made = row
            .get("CURRENT")
            .and_then(|cell| number(cell))
            .unwrap_or_default();
        *sums.entry(format!("app/{name}")).or_default() += made;
    }
    for (id, made) in sums {
        set(picture, &id, "replicas.created", made);
    }
}

/// Whether the account exists that a workload runs as.
fn accounts(cache: &Cache, picture: &mut Picture) {
    let Some(rows) = cache.list("serviceaccounts") else {
        return;
    };
    let there: Vec<&String> = rows.iter().filter_map(|row| row.get("NAME")).collect();
    let wanted: Vec<(String, bool)> = picture
        .objects
        .iter()
        .filter_map(|(id, object)| Some((id, object.facts.get("service_account")?.as_str()?)))
        .map(|(id, account)| (id.clone(), there.iter().any(|name| *name == account)))
        .collect();
    for (id, exists) in wanted {
        set(picture, &id, "service_account.exists", exists);
    }
}

/// A tree of who calls whom, drawn with box characters, below a list of callers.
fn calls(name: &str, text: &str, picture: &mut Picture) {
    let mut above: Vec<(usize, String)> = vec![(0, name.to_owned())];
    for line in text.lines() {
        if let Some((_, callers)) = line.split_once("(Called By)]:") {
            for caller in callers.split(',').map(str::trim) {
                call(picture, caller, name);
            }
        }
        let Some(at) = line.find("── ") else {
            continue;
        };
        let depth = line.get(..at).map_or(0, |before| before.chars().count()) + 1;
        let callee = line.get(at..).unwrap_or_default().trim_start_matches("── ");
        let callee = callee.split_whitespace().next().unwrap_or_default();
        above.retain(|(other, _)| *other < depth);
        if let Some((_, caller)) = above.last().cloned() {
            call(picture, &caller, callee);
        }
        above.push((depth, callee.to_owned()));
    }
}

fn call(picture: &mut Picture, from: &str, to: &str) {
    link(
        picture,
        &format!("app/{from}"),
        &format!("app/{to}"),
        How::Calls,
    );
}

/// Adds an edge between objects that are there.
pub fn link(picture: &mut Picture, from: &str, to: &str, how: How) {
    if from != to && picture.objects.contains_key(from) && picture.objects.contains_key(to) {
        picture.edges.push(Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            how,
        });
    }
}

fn number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok()
}
