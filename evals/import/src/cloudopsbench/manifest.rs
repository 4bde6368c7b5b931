//! What a workload's manifests demand: containers, checks, placement, addresses, routes, storage.

use ostler_diagnosis::picture::{How, Kind, Picture};
use serde_json::{Map, Value, json};

use super::kubectl::quantity::amount;
use super::workloads::link;
use super::{add, secrets, set};

/// Reads every document of a file of manifests into facts of an object.
pub fn read(text: &str, id: &str, picture: &mut Picture) {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_default();
    let mut addresses = Vec::new();
    for document in &documents {
        match document
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
        {
            // A file may hold more than one workload; each document speaks for its own.
            "Deployment" | "StatefulSet" | "DaemonSet" if named(document, id) => {
                workload(document, id, picture, &mut addresses);
            }
            "Service" if named(document, id) => set(picture, id, "service.declared", true),
            "Secret" => pairs(at(document, "/stringData"), &mut addresses),
            "ConfigMap" => routes(document, id, picture),
            "PersistentVolumeClaim" => claim(document, id, picture),
            _ => {}
        }
    }
    if !addresses.is_empty() {
        set(picture, id, "addresses", addresses);
    }
}

fn named(document: &Value, id: &str) -> bool {
    id.strip_prefix("app/") == at(document, "/metadata/name").as_str()
}

fn workload(document: &Value, id: &str, picture: &mut Picture, addresses: &mut Vec<Value>) {
    let template = at(document, "/spec/template");
    let spec = at(template, "/spec");
    set(
        picture,
        id,
        "workload.labels",
        at(template, "/metadata/labels").clone(),
    );
    let containers = items(at(spec, "/containers"));
    set(picture, id, "container.ports", ports(containers));
    for container in containers {
        probes(container, id, picture);
        let mut settings = Map::new();
        for entry in items(at(container, "/env")) {
            let value = at(entry, "/value").clone();
            settings.extend(
                at(entry, "/name")
                    .as_str()
                    .map(|name| (name.to_owned(), value)),
            );
        }
        pairs(&Value::Object(settings), addresses);
    }
    for what in ["cpu", "memory"] {
        for (kind, name) in [("requests", "requests"), ("limits", "limits")] {
            let each = containers.iter().filter_map(|container| {
                number(at(container, &format!("/resources/{kind}/{what}")))
            });
            let sum: f64 = each.sum();
            if sum > 0.0 {
                set(picture, id, &format!("{name}.{what}"), sum);
            }
        }
    }
    let images: Vec<Value> = containers
        .iter()
        .map(|one| at(one, "/image").clone())
        .collect();
    set(picture, id, "images", images);
    placement(spec, id, picture);
    let needed = secrets::needed(spec);
    if !needed.is_empty() {
        set(picture, id, "secrets.needed", needed);
    }
    let mounted: Vec<Value> = items(at(spec, "/volumes"))
        .iter()
        .filter(|volume| {
            ["configMap", "secret", "projected"]
                .iter()
                .all(|kind| volume.get(kind).is_none())
        })
        .map(|volume| at(volume, "/name").clone())
        .collect();
    if !mounted.is_empty() {
        set(picture, id, "volumes", mounted);
    }
}

fn placement(spec: &Value, id: &str, picture: &mut Picture) {
    let required =
        "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms: Vec<Value> = items(at(spec, required))
        .iter()
        .map(|term| at(term, "/matchExpressions").clone())
        .collect();
    let lists = [
        ("placement.affinity", Value::from(terms)),
        ("placement.selector", at(spec, "/nodeSelector").clone()),
        ("placement.tolerations", at(spec, "/tolerations").clone()),
        (
            "dns.nameservers",
            at(spec, "/dnsConfig/nameservers").clone(),
        ),
        ("service_account", at(spec, "/serviceAccountName").clone()),
    ];
    for (name, value) in lists {
        let empty = value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        if !empty {
            set(picture, id, name, value);
        }
    }
}

fn ports(containers: &[Value]) -> Vec<Value> {
    let all = containers
        .iter()
        .flat_map(|container| items(at(container, "/ports")));
    all.map(|port| {
        json!({
            "port": at(port, "/containerPort"),
            "name": at(port, "/name"),
            "protocol": at(port, "/protocol").as_str().unwrap_or("TCP"),
        })
    })
    .collect()
}

fn probes(container: &Value, id: &str, picture: &mut Picture) {
    for (field, name) in [
        ("livenessProbe", "liveness"),
        ("readinessProbe", "readiness"),
        ("startupProbe", "startup"),
    ] {
        let Some(probe) = container.get(field) else {
            continue;
        };
        let kinds = [
            ("httpGet", "http"),
            ("grpc", "grpc"),
            ("tcpSocket", "tcp"),
            ("exec", "exec"),
        ];
        let Some((kind, how)) = kinds
            .iter()
            .find_map(|(key, kind)| Some((*kind, probe.get(key)?)))
        else {
            continue;
        };
        let mut facts = Map::from_iter([("kind".to_owned(), Value::from(kind))]);
        let fields = [
            ("port", how.get("port")),
            ("delay_s", probe.get("initialDelaySeconds")),
            ("timeout_s", probe.get("timeoutSeconds")),
            ("period_s", probe.get("periodSeconds")),
            ("failures", probe.get("failureThreshold")),
        ];
        for (key, value) in fields {
            facts.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        set(picture, id, &format!("probe.{name}"), facts);
    }
}

/// Settings that are addresses: `host:port`, a URL, or `…_HOST` beside `…_PORT`.
fn pairs(settings: &Value, addresses: &mut Vec<Value>) {
    let Some(settings) = settings.as_object() else {
        return;
    };
    for (name, value) in settings {
        let Some(text) = value.as_str() else { continue };
        if let Some(stem) = name.strip_suffix("_HOST") {
            let port = settings.get(&format!("{stem}_PORT")).and_then(number);
            addresses.push(json!({ "name": name, "host": text, "port": port }));
        } else if let Some((host, port)) = host_and_port(text) {
            addresses.push(json!({ "name": name, "host": host, "port": port }));
        }
    }
}

fn host_and_port(text: &str) -> Option<(&str, f64)> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (host, port) = rest.split('/').next()?.rsplit_once(':')?;
    let good = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
    let port: u16 = port.parse().ok()?;
    (!host.is_empty() && host.chars().all(good)).then_some((host, f64::from(port)))
}

/// Routes of a gateway, wherever in a configuration they stand.
fn routes(document: &Value, id: &str, picture: &mut Picture) {
    let mut found = Vec::new();
    for text in at(document, "/data")
        .as_object()
        .into_iter()
        .flat_map(Map::values)
    {
        let inner = text
            .as_str()
            .and_then(|text| serde_saphyr::from_str::<Value>(text).ok());
        inner
            .iter()
            .for_each(|inner| collect_routes(inner, &mut found));
    }
    if !found.is_empty() {
        set(picture, id, "routes", found);
    }
}

fn collect_routes(value: &Value, found: &mut Vec<Value>) {
    let Some(fields) = value.as_object() else {
        return;
    };
    for (name, inner) in fields {
        if name == "routes" {
            for route in items(inner) {
                let to = destination(at(route, "/uri").as_str().unwrap_or_default());
                found.push(
                    json!({ "id": at(route, "/id"), "to": to, "path": at(route, "/predicates/0") }),
                );
            }
        }
        collect_routes(inner, found);
    }
}

/// `lb://${NAME:default}:80/x` leads to `default`.
fn destination(uri: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let host = match rest
        .strip_prefix("${")
        .and_then(|rest| rest.split_once('}'))
    {
        Some((inside, _)) => inside
            .split_once(':')
            .map_or(inside, |(_, default)| default),
        None => rest.split(['/', ':']).next().unwrap_or(rest),
    };
    host.to_owned()
}

fn claim(document: &Value, app: &str, picture: &mut Picture) {
    let Some(name) = at(document, "/metadata/name").as_str() else {
        return;
    };
    let id = format!("claim/{name}");
    add(picture, &id, Kind::Volume);
    link(picture, app, &id, How::Uses);
    let modes: Vec<Value> = items(at(document, "/spec/accessModes"))
        .iter()
        .filter_map(Value::as_str)
        .map(|mode| Value::from(short_mode(mode)))
        .collect();
    set(picture, &id, "claim.modes", modes);
    set(
        picture,
        &id,
        "claim.class",
        at(document, "/spec/storageClassName").clone(),
    );
    set(
        picture,
        &id,
        "claim.selector",
        at(document, "/spec/selector/matchLabels").clone(),
    );
    set(
        picture,
        &id,
        "claim.volume",
        at(document, "/spec/volumeName").clone(),
    );
    if let Some(size) = number(at(document, "/spec/resources/requests/storage")) {
        set(picture, &id, "claim.size", size);
    }
}

/// `ReadWriteOnce` is `RWO` in lists.
fn short_mode(mode: &str) -> String {
    mode.chars().filter(char::is_ascii_uppercase).collect()
}

fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| amount(value.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_templated_route_leads_to_its_default() {
        assert_eq!(
            destination("lb://${CART_HOST:cart-service}"),
            "cart-service"
        );
        assert_eq!(destination("http://${CART_HOST:cart}:80"), "cart");
        assert_eq!(destination("http://cart:80/x"), "cart");
    }

    #[test]
    fn addresses_are_found_in_settings() {
        let mut found = Vec::new();
        pairs(
            &json!({"A": "cart:70", "DB_HOST": "db", "DB_PORT": "3306", "N": "5050"}),
            &mut found,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[1]["port"], json!(3306.0));
    }
}
