//! A situation as data for a model: every fact with the call that showed it, cut to size.
//!
//! Series become their shape in numbers, logs are templates with counts already. Facts whose text
//! workloads wrote stand under names that begin with `untrusted`.

use std::collections::BTreeMap;

use ostler_agents_kit::{
    refused::Refused,
    situation::{Cited, ServiceFacts, Situation},
};
use ostler_core::id::CallId;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::fence::tame;

/// Most characters of one text in a situation.
const TEXT_LIMIT: usize = 240;
/// Most entries of one list; tried in order until the situation fits.
const LIST_LIMITS: [usize; 3] = [20, 8, 3];
/// Most characters of a situation.
pub const SITUATION_LIMIT: usize = 60_000;

/// Calls that evidence may cite, and whether their answers hold what workloads wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known(BTreeMap<CallId, bool>);

impl Known {
    /// Remembers a call; once untrusted, always untrusted.
    pub fn add(&mut self, call: &CallId, untrusted: bool) {
        let entry = self.0.entry(call.clone()).or_insert(untrusted);
        *entry |= untrusted;
    }

    /// Whether a call is known, and then whether its answer is untrusted.
    #[must_use]
    pub fn untrusted(&self, call: &CallId) -> Option<bool> {
        self.0.get(call).copied()
    }
}

/// The situation in a model's terms, and what it may cite of it.
#[must_use]
pub fn of(situation: &Situation) -> (Value, Known) {
    let mut known = Known::default();
    let whole = whole(situation, &mut known);
    let mut view = Value::Null;
    for limit in LIST_LIMITS {
        view = tame(&whole, TEXT_LIMIT, limit);
        if view.to_string().chars().count() <= SITUATION_LIMIT {
            break;
        }
    }
    (view, known)
}

fn whole(situation: &Situation, known: &mut Known) -> Value {
    for symptom in &situation.symptoms {
        known.add(&symptom.call, false);
    }
    let mut facts = Map::new();
    for (service, of_it) in &situation.facts {
        facts.insert(service.to_string(), service_facts(of_it, known));
    }
    let mut callers = Map::new();
    for (service, of_it) in &situation.callers {
        callers.insert(service.to_string(), service_facts(of_it, known));
    }
    let mut nodes = Map::new();
    for (node, signals) in &situation.nodes {
        nodes.insert(node.to_string(), shapes(signals, known));
    }
    json!({
        "now": situation.now,
        "subject": situation.subject,
        "symptoms": situation.symptoms,
        "services": without(cited(&situation.services, false, known), &["image"]),
        "graph": cited(&situation.graph, false, known),
        "facts": facts,
        "callers": callers,
        "nodes": nodes,
        "untrusted past": past(situation, known),
        "refused": refused(situation),
    })
}

/// Plans that a person said no to, wanting another.
fn refused(situation: &Situation) -> Vec<Value> {
    let plan =
        |plan: &Refused| json!({ "title": plan.title, "calls": plan.calls, "why": plan.why });
    situation.refused.iter().map(plan).collect()
}

/// Incidents of the past, without their timelines. Titles may quote what workloads or models wrote.
fn past(situation: &Situation, known: &mut Known) -> Vec<Value> {
    let mut all = Vec::new();
    for past in &situation.past {
        known.add(&past.call, true);
        let (incident, tried) = (&past.value.incident, past.value.proposals.iter());
        let cause = incident.cause.as_ref();
        let tried: Vec<Value> = tried
            .map(
                |tried| json!({ "title": tried.title, "calls": tried.calls, "state": tried.state }),
            )
            .collect();
        all.push(json!({
            "call": past.call,
            "incident": incident.id,
            "opened_at": incident.opened_at,
            "symptoms": incident.symptoms,
            "cause": cause.map(|cause| cause.kind),
            "culprit": cause.map(|cause| &cause.culprit),
            "correction": incident.correction,
            "proposals": tried,
        }));
    }
    all
}

fn service_facts(facts: &ServiceFacts, known: &mut Known) -> Value {
    let hears_workloads = !facts.detail.value.untrusted.is_empty();
    let detail = cited(&facts.detail, hears_workloads, known);
    let mut of_it = Map::new();
    of_it.insert("detail".to_owned(), without(detail, &["labels", "signals"]));
    if let Some(changes) = &facts.changes {
        of_it.insert("changes".to_owned(), cited(changes, false, known));
    }
    if let Some(signals) = &facts.signals {
        of_it.insert("signals".to_owned(), shapes(signals, known));
    }
    for (instance, signals) in &facts.instance_signals {
        of_it.insert(format!("signals of {instance}"), shapes(signals, known));
    }
    for (instance, log) in &facts.logs {
        of_it.insert(
            format!("untrusted log of {instance}"),
            cited(log, true, known),
        );
    }
    Value::Object(of_it)
}

fn cited<T: Serialize>(fact: &Cited<T>, untrusted: bool, known: &mut Known) -> Value {
    known.add(&fact.call, untrusted);
    // A fact that cannot be written is left out; its call still stands.
    let value = serde_json::to_value(&fact.value).unwrap_or(Value::Null);
    json!({ "call": fact.call, "value": value })
}

fn shapes<T: Serialize>(signals: &Cited<T>, known: &mut Known) -> Value {
    without(cited(signals, false, known), &["points"])
}

/// A value without the fields of these names, wherever they are.
fn without(value: Value, names: &[&str]) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(name, _)| !names.contains(&name.as_str()))
                .map(|(name, value)| (name, without(value, names)))
                .collect(),
        ),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| without(item, names)).collect())
        }
        other => other,
    }
}
