//! What differs beside the services' specs: secrets (never their values), nodes, agents, restarts.

use std::collections::BTreeSet;

use super::{ChangeFacts, DiffLine, law};
use crate::{
    id::{AgentName, NodeName, ServiceKey},
    intent::{Intent, SecretKey},
    rollout::Stage,
};

/// Lines for everything that a change names beside services, where it differs.
pub(super) fn of(before: &Intent, after: &Intent, facts: &ChangeFacts) -> Vec<DiffLine> {
    let secrets = facts.secrets.iter().map(|key| secret(before, after, key));
    let nodes = facts.nodes.iter().map(|name| node(before, after, name));
    let agents = facts.agents.iter().map(|name| agent(before, after, name));
    let mut lines: Vec<DiffLine> = secrets.chain(nodes).chain(agents).flatten().collect();
    lines.extend(law::of(&before.law, &after.law));
    for service in &facts.services {
        lines.extend(restarts(before, after, service));
        lines.extend(tuning(before, after, service));
        lines.extend(rollout(before, after, service));
    }
    lines
}

fn line(path: String, from: Option<&str>, to: Option<&str>) -> Option<DiffLine> {
    (from != to).then(|| DiffLine {
        path,
        from: from.map(ToOwned::to_owned),
        to: to.map(ToOwned::to_owned),
    })
}

/// A value is never shown: only that it is there, or that it was replaced.
fn secret(before: &Intent, after: &Intent, key: &SecretKey) -> Option<DiffLine> {
    let (from, to) = (before.secrets.get(key), after.secrets.get(key));
    let to = match (from, to) {
        (Some(from), Some(to)) if from != to => Some("another value"),
        (_, to) => to.map(|_| "a value"),
    };
    line(format!("secrets.{key}"), from.map(|_| "a value"), to)
}

fn node(before: &Intent, after: &Intent, name: &NodeName) -> Option<DiffLine> {
    let stands = |intent: &Intent| {
        if intent.draining.contains(name) {
            "draining"
        } else if intent.cordoned.contains(name) {
            "cordoned"
        } else {
            "takes instances"
        }
    };
    line(
        format!("nodes.{name}"),
        Some(stands(before)),
        Some(stands(after)),
    )
}

fn agent(before: &Intent, after: &Intent, name: &AgentName) -> Option<DiffLine> {
    let (from, to) = (before.agent_stands(name), after.agent_stands(name));
    line(format!("agents.{name}"), Some(&from), Some(&to))
}

fn restarts(before: &Intent, after: &Intent, key: &ServiceKey) -> Vec<DiffLine> {
    let asked = |intent: &Intent| {
        let service = intent.services.get(key);
        service
            .map(|service| service.restart_after.clone())
            .unwrap_or_default()
    };
    let earlier = asked(before);
    let new = asked(after);
    let new: BTreeSet<_> = new
        .iter()
        .filter(|(id, at)| earlier.get(*id) != Some(at))
        .collect();
    new.into_iter()
        .filter_map(|(id, _)| line(format!("instances.{id}"), None, Some("restarted")))
        .collect()
}

fn rollout(before: &Intent, after: &Intent, key: &ServiceKey) -> Option<DiffLine> {
    let stands = |intent: &Intent| {
        let service = intent
            .services
            .get(key)
            .filter(|service| service.rolls_out())?;
        let plain = service.mark().stage == Stage::Rolling && service.paused().is_none();
        if plain {
            return None;
        }
        let paused = service.paused().map_or("", |_| ", paused");
        Some(format!("{}{paused}", service.mark().in_words()))
    };
    let (from, to) = (stands(before), stands(after));
    let path = format!("services.{key}.rollout");
    line(path, from.as_deref(), to.as_deref())
}

fn tuning(before: &Intent, after: &Intent, service: &ServiceKey) -> Option<DiffLine> {
    let tuned = |intent: &Intent| {
        let tuning = intent.services.get(service)?.tuning.as_deref()?;
        serde_json::to_string(tuning).ok()
    };
    let (from, to) = (tuned(before), tuned(after));
    let path = format!("services.{service}.tuning");
    line(path, from.as_deref(), to.as_deref())
}
