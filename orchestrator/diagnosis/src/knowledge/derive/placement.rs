//! Which of a workload's demands leaves no node to run it on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Notes, list, refusal, selects, text};
use crate::knowledge::view::View;
use crate::picture::Kind;

/// `placement.stopped_by`: the first of `selector`, `affinity`, `cordon`, `taint`, `ready`,
/// `cpu`, `memory` that leaves no node, in the order in which a scheduler filters. A node of which
/// something was not seen is not ruled out by it; then the scheduler's own words decide.
pub fn derive(view: &View, notes: &mut Notes) {
    // Nodes that steer the fleet take no work of their own, so they are nobody's missed chance.
    let works = |node: &&str| view.value(node, "node.control_plane") != Some(&Value::Bool(true));
    let (nodes, idle): (Vec<&str>, Vec<&str>) = view.of_kind(Kind::Node).partition(works);
    for id in view.of_kind(Kind::Service) {
        let by = Some(&nodes).filter(|nodes| !nodes.is_empty());
        if let Some(by) = by.and_then(|nodes| stopped_by(view, id, nodes)) {
            notes.note(id, "placement.stopped_by", by, &format!("placement.{by}"));
        } else if let Some((by, place)) = said(view, id, &nodes, idle.len()) {
            notes.note_from(id, "placement.stopped_by", by, format!("events/{place}"));
        }
    }
}

/// What the scheduler says of the nodes. Labels that did not match are those of the one demand that
/// was seen; of both, or of neither, it is not known which.
fn said(view: &View, id: &str, nodes: &[&str], idle: usize) -> Option<(&'static str, usize)> {
    let parts = view.with_parts(id).into_iter();
    let (place, event) = parts
        .flat_map(|part| view.events(part))
        .find(|(_, event)| event.reason == "FailedScheduling")?;
    let seen = |name: &str| view.value(id, name).is_some();
    let demands = (seen("placement.selector"), seen("placement.affinity"));
    // What was seen of every node is known better than from the count of those that refused.
    let any = |name: &str, stops: &dyn Fn(&&str) -> bool| {
        let mut nodes = nodes.iter();
        nodes.any(|node| view.value(node, name).is_none() || stops(node))
    };
    let cordoned = |node: &&str| view.value(node, "node.cordoned") == Some(&Value::Bool(true));
    let possible = |by: &str| match by {
        "cordon" => nodes.is_empty() || any("node.cordoned", &cordoned),
        "taint" => nodes.is_empty() || any("node.taints", &|node| !tolerates(view, id, node)),
        _ => true,
    };
    match (
        refusal::stopped_by(&event.message, idle, possible)?,
        demands,
    ) {
        ("labels", (true, false)) => Some(("selector", place)),
        ("labels", (false, true)) => Some(("affinity", place)),
        ("labels", _) => None,
        (by, _) => Some((by, place)),
    }
}

/// What a demand is called, and whether a node satisfies it.
type Filter<'f> = (&'static str, &'f dyn Fn(&str) -> bool);

fn stopped_by(view: &View, id: &str, nodes: &[&str]) -> Option<&'static str> {
    let null = Value::Null;
    let of = |name: &str| view.value(id, name).unwrap_or(&null);
    let labels = |node: &str| view.value(node, "node.labels");
    let keeps: [Filter; 7] = [
        ("selector", &|node| {
            labels(node).is_none_or(|labels| selects(of("placement.selector"), labels))
        }),
        ("affinity", &|node| {
            let terms = list(view.value(id, "placement.affinity"));
            labels(node).is_none_or(|labels| agrees(terms, labels))
        }),
        ("cordon", &|node| {
            view.value(node, "node.cordoned") != Some(&Value::Bool(true))
        }),
        ("taint", &|node| tolerates(view, id, node)),
        ("ready", &|node| {
            view.value(node, "node.ready") != Some(&Value::Bool(false))
        }),
        ("cpu", &|node| fits(view, id, node, "cpu")),
        ("memory", &|node| fits(view, id, node, "memory")),
    ];
    let mut left: BTreeSet<&str> = nodes.iter().copied().collect();
    keeps.into_iter().find_map(|(by, keep)| {
        left.retain(|node| keep(node));
        left.is_empty().then_some(by)
    })
}

/// One term of several is enough; each expression of a term must hold.
fn agrees(terms: &[Value], labels: &Value) -> bool {
    let expressions = |term: &Value| list(Some(term)).iter().all(|one| expression(one, labels));
    terms.is_empty() || terms.iter().any(expressions)
}

fn expression(one: &Value, labels: &Value) -> bool {
    let label = labels.get(text(one, "key"));
    let values = list(one.get("values"));
    let number = |value: Option<&Value>| value?.as_str()?.parse::<f64>().ok();
    match text(one, "operator") {
        "NotIn" => label.is_none_or(|label| !values.contains(label)),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => number(label)
            .zip(number(values.first()))
            .is_some_and(|(is, than)| is > than),
        "Lt" => number(label)
            .zip(number(values.first()))
            .is_some_and(|(is, than)| is < than),
        _ => label.is_some_and(|label| values.contains(label)),
    }
}

/// Taints that the platform sets by itself are told by other facts.
fn tolerates(view: &View, id: &str, node: &str) -> bool {
    let tolerations = list(view.value(id, "placement.tolerations"));
    list(view.value(node, "node.taints")).iter().all(|taint| {
        let own = text(taint, "key").starts_with("node.kubernetes.io/");
        let soft = text(taint, "effect") == "PreferNoSchedule";
        own || soft
            || tolerations
                .iter()
                .any(|toleration| covers(toleration, taint))
    })
}

fn covers(toleration: &Value, taint: &Value) -> bool {
    let agrees =
        |key: &str| text(toleration, key).is_empty() || text(toleration, key) == text(taint, key);
    let value = text(toleration, "operator") == "Exists"
        || text(toleration, "value") == text(taint, "value");
    agrees("key") && agrees("effect") && value
}

/// Fits an empty node; whether the node is empty is not known. A node whose size was not seen is taken
/// for as large as the largest that was.
fn fits(view: &View, id: &str, node: &str, what: &str) -> bool {
    let size = |node: &str| view.number(node, &format!("node.allocatable.{what}"));
    let largest = || view.of_kind(Kind::Node).filter_map(size).reduce(f64::max);
    let wanted = view.number(id, &format!("requests.{what}"));
    wanted
        .zip(size(node).or_else(largest))
        .is_none_or(|(wanted, there)| wanted <= there)
}
