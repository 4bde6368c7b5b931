//! Whether the addresses that a workload was given lead anywhere.

use std::collections::BTreeMap;

use serde_json::Value;

use super::words::distance;
use super::{Notes, list, text};
use crate::knowledge::compare::same;
use crate::knowledge::view::View;

/// So few wrong letters make a name a misspelt one.
const MISSPELT: usize = 3;

/// `addresses.unknown`, `addresses.misspelt`, `addresses.missed` (a log complains of one),
/// `addresses.wrong_port`.
pub fn derive(view: &View, notes: &mut Notes) {
    let known = known_names(view);
    if known.is_empty() {
        return;
    }
    for id in view.picture.objects.keys() {
        let mut found: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for address in list(view.value(id, "addresses")) {
            let host = text(address, "host");
            match known.get(first_label(host)) {
                Some(owner) if wrong_port(view, owner, host, address) => {
                    found.entry("addresses.wrong_port").or_default().push(address.clone());
                }
                Some(_) => {}
                None if !outside(host) => unknown(view, id, host, &known, &mut found),
                None => {}
            }
        }
        for (name, values) in found {
            notes.note(id, name, values, "addresses");
        }
    }
}

fn unknown<'n>(
    view: &View,
    id: &str,
    host: &str,
    known: &BTreeMap<&str, &str>,
    found: &mut BTreeMap<&'n str, Vec<Value>>,
) {
    let mut add = |name| found.entry(name).or_default().push(Value::from(host));
    add("addresses.unknown");
    let close = |name: &&str| distance(name, host) <= MISSPELT.min(host.len() / 3);
    if known.keys().any(close) {
        add("addresses.misspelt");
    }
    let mut lines = view.with_parts(id).into_iter().flat_map(|part| view.logs(part));
    if lines.any(|(_, log)| log.line.contains(host)) {
        add("addresses.missed");
    }
}

/// Every name under which something answers, and whose it is.
fn known_names<'v>(view: &'v View) -> BTreeMap<&'v str, &'v str> {
    let mut known = BTreeMap::new();
    for id in view.picture.objects.keys() {
        for name in list(view.value(id, "names")) {
            known.extend(name.as_str().map(|name| (name, id.as_str())));
        }
    }
    known
}

fn wrong_port(view: &View, owner: &str, host: &str, address: &Value) -> bool {
    let offered = list(view.value(owner, "service.ports"));
    // One workload may answer to several names; without knowing which port is whose, all count.
    let port = address.get("port").filter(|port| port.as_f64().is_some());
    port.is_some_and(|port| {
        !host.is_empty()
            && !offered.is_empty()
            && offered.iter().all(|one| one.get("port").is_none_or(|one| !same(one, port)))
    })
}

fn first_label(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

/// Not a name of this fleet: an address of numbers, this machine, a public or templated name.
fn outside(host: &str) -> bool {
    let numbers = host.chars().all(|letter| letter.is_ascii_digit() || ".:[]".contains(letter));
    let public = host.contains('.') && !host.contains(".svc");
    host.is_empty() || numbers || public || host == "localhost" || host.contains('$')
}
