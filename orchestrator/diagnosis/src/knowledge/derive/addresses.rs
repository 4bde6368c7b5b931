//! Whether the addresses that a workload was given lead anywhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::words::distance;
use super::{Notes, list, text};
use crate::knowledge::compare::same;
use crate::knowledge::view::View;
use crate::picture::Kind;

/// So few wrong letters make a name a misspelt one.
const MISSPELT: usize = 3;

/// Names under which things answer, and whose they are.
struct Names<'v> {
    owners: BTreeMap<&'v str, &'v str>,
    namespaces: BTreeSet<&'v str>,
}

/// `addresses.unknown`, `addresses.misspelt`, `addresses.missed` (a log complains of one),
/// `addresses.wrong_port`; `routing.port_unoffered` where callers agree on a port that a service
/// does not offer.
pub fn derive(view: &View, notes: &mut Notes) {
    let names = Names::of(view);
    if names.owners.is_empty() {
        return;
    }
    let mut missed_ports: Vec<(&str, &str, &Value)> = Vec::new();
    for id in view.picture.objects.keys() {
        let mut found: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for address in list(view.value(id, "addresses")) {
            let host = text(address, "host");
            match names.owner(host) {
                Some(owner) if !offered(view, owner, address) => {
                    missed_ports.push((id, owner, address));
                }
                None if !outside(host) => unknown(view, id, host, &names, &mut found),
                _ => {}
            }
        }
        for (name, values) in found {
            notes.note(id, name, values, "addresses");
        }
    }
    blame_ports(view, &missed_ports, notes);
}

/// Of caller, address and workload, the one that differs from both others is wrong.
fn blame_ports(view: &View, missed: &[(&str, &str, &Value)], notes: &mut Notes) {
    for (id, owner, address) in missed {
        let port = address.get("port").unwrap_or(&Value::Null);
        let listens = list(view.value(owner, "container.ports"))
            .iter()
            .any(|one| one.get("port").is_some_and(|one| same(one, port)));
        let agreed = missed.iter().filter(|(_, other, address)| {
            other == owner && address.get("port").is_some_and(|one| same(one, port))
        });
        if listens || agreed.count() > 1 {
            notes.note(
                owner,
                "routing.port_unoffered",
                port.clone(),
                "service.ports",
            );
        } else {
            notes.note(
                id,
                "addresses.wrong_port",
                vec![(*address).clone()],
                "addresses",
            );
        }
    }
}

fn unknown(
    view: &View,
    id: &str,
    host: &str,
    names: &Names,
    found: &mut BTreeMap<&str, Vec<Value>>,
) {
    let mut add = |name| found.entry(name).or_default().push(Value::from(host));
    add("addresses.unknown");
    let label = first_label(host);
    let close = |name: &&str| distance(name, label) <= MISSPELT.min(label.len() / 4);
    if names.owners.keys().any(close) {
        add("addresses.misspelt");
    }
    let mut lines = view
        .with_parts(id)
        .into_iter()
        .flat_map(|part| view.logs(part));
    if lines.any(|(_, log)| log.line.contains(host)) {
        add("addresses.missed");
    }
}

impl<'v> Names<'v> {
    fn of(view: &'v View) -> Self {
        let mut owners = BTreeMap::new();
        for id in view.picture.objects.keys() {
            for name in list(view.value(id, "names")) {
                owners.extend(name.as_str().map(|name| (name, id.as_str())));
            }
        }
        let short = |id: &'v str| id.rsplit('/').next().unwrap_or(id);
        // Where names are known at all, one whose names were not seen answers to its own.
        if !owners.is_empty() {
            let unnamed = view.of_kind(Kind::Service);
            let unnamed = unnamed.filter(|id| view.value(id, "names").is_none());
            for id in unnamed {
                owners.entry(short(id)).or_insert(id);
            }
        }
        let namespaces = view.of_kind(Kind::Namespace).map(short);
        Self {
            owners,
            namespaces: namespaces.collect(),
        }
    }

    /// Who answers to a host name: its own name, perhaps with its namespace, or a part of a set
    /// (`db-0.db`).
    fn owner(&self, host: &str) -> Option<&'v str> {
        let mut labels = host.split('.');
        let (first, second) = (labels.next()?, labels.next());
        let own = self.owners.get(first).copied();
        match second {
            None | Some("svc") => own,
            Some(second) if self.namespaces.contains(second) => own,
            Some(second) => self.owners.get(second).copied(),
        }
    }
}

/// True where nothing says that the owner does not offer the address's port.
fn offered(view: &View, owner: &str, address: &Value) -> bool {
    let offered = list(view.value(owner, "service.ports"));
    let port = address.get("port").filter(|port| port.as_f64().is_some());
    port.is_none_or(|port| {
        offered.is_empty()
            || offered
                .iter()
                .any(|one| one.get("port").is_some_and(|one| same(one, port)))
    })
}

fn first_label(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

/// Not a name of this fleet: an address of numbers, this machine, a public or templated name.
fn outside(host: &str) -> bool {
    let numbers = host
        .chars()
        .all(|letter| letter.is_ascii_digit() || ".:[]".contains(letter));
    let public = host.contains('.') && !host.contains(".svc") && host.split('.').count() > 2;
    host.is_empty() || numbers || public || host == "localhost" || host.contains('$')
}
