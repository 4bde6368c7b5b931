//! What many tools share: common arguments, and looking things up with refusals that say what exists.

use std::fmt::Display;

use ostler_core::{
    id::{AgentName, IncidentId, InstanceId, NodeName, ProposalId, ServiceKey},
    incident::Incident,
    intent::Service,
    observed::InstanceSeen,
    proposal::Proposal,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    contract::{About, Decided, Refusal},
    view::View,
};

/// No arguments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// One service.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneService {
    /// The service, `namespace/name`; a bare name means namespace `default`.
    pub service: ServiceKey,
}

/// One instance.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneInstance {
    /// The instance's id, as `list_instances` gives it.
    pub instance: InstanceId,
}

/// One node.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneNode {
    /// The node's name, as `list_nodes` gives it.
    pub node: NodeName,
}

/// One agent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OneAgent {
    /// The agent's name, as `list_agents` gives it.
    pub agent: AgentName,
}

/// Answers with a value from the view.
pub fn answer<T: Serialize>(value: &T, about: About) -> Result<Decided, Refusal> {
    let answer = serde_json::to_value(value)
        .map_err(|error| Refusal::new(format!("the answer cannot be written as JSON: {error}")))?;
    Ok(Decided::Answer { answer, about })
}

/// Up to ten names, for a refusal.
pub fn names<T: Display>(known: impl IntoIterator<Item = T>) -> String {
    let mut known = known.into_iter();
    let some: Vec<String> = known
        .by_ref()
        .take(10)
        .map(|name| name.to_string())
        .collect();
    match (some.is_empty(), known.count()) {
        (true, _) => "none".to_owned(),
        (false, 0) => some.join(", "),
        (false, more) => format!("{} and {more} more", some.join(", ")),
    }
}

/// A service, or a refusal that says which there are.
pub fn service<'v>(view: &View<'v>, key: &ServiceKey) -> Result<&'v Service, Refusal> {
    view.intent.services.get(key).ok_or_else(|| {
        let known = names(view.intent.services.keys());
        Refusal::new(format!(
            "there is no service `{key}`; services are: {known}"
        ))
    })
}

/// An instance, or a refusal that says which there are.
pub fn instance<'v>(view: &View<'v>, id: &InstanceId) -> Result<&'v InstanceSeen, Refusal> {
    view.world.observed.instances.get(id).ok_or_else(|| {
        let known = names(view.world.observed.instances.keys());
        Refusal::new(format!(
            "there is no instance `{id}`; instances are: {known}"
        ))
    })
}

/// Refuses a node that is not known.
pub fn node(view: &View<'_>, name: &NodeName) -> Result<(), Refusal> {
    if view.world.observed.nodes.contains_key(name) {
        return Ok(());
    }
    let known = names(view.world.observed.nodes.keys());
    Err(Refusal::new(format!(
        "there is no node `{name}`; nodes are: {known}"
    )))
}

/// Refuses an agent that is not known.
pub fn agent(view: &View<'_>, name: &AgentName) -> Result<(), Refusal> {
    let intent = view.intent;
    let named = intent.paused_agents.contains(name) || intent.promoted_agents.contains_key(name);
    if named || view.world.agents.contains_key(name) {
        return Ok(());
    }
    let known = names(view.world.agents.keys());
    Err(Refusal::new(format!(
        "there is no agent `{name}`; agents are: {known}"
    )))
}

/// An incident, or a refusal that says which there are.
pub fn incident<'v>(view: &View<'v>, id: &IncidentId) -> Result<&'v Incident, Refusal> {
    view.records.incidents.get(id).ok_or_else(|| {
        let known = names(view.records.incidents.keys());
        Refusal::new(format!(
            "there is no incident `{id}`; incidents are: {known}"
        ))
    })
}

/// A proposal, or a refusal that says which there are.
pub fn proposal<'v>(view: &View<'v>, id: &ProposalId) -> Result<&'v Proposal, Refusal> {
    view.records.proposals.get(id).ok_or_else(|| {
        let known = names(view.records.proposals.keys());
        Refusal::new(format!(
            "there is no proposal `{id}`; proposals are: {known}"
        ))
    })
}

/// A count with a default, from 1 to a limit.
pub fn limited(field: &str, given: Option<u32>, default: u32, most: u32) -> Result<u32, Refusal> {
    let count = given.unwrap_or(default);
    if (1..=most).contains(&count) {
        return Ok(count);
    }
    Err(Refusal::new(format!(
        "`{field}` is {count}; give 1 to {most}"
    )))
}

/// Refuses text that is empty or too long, in characters.
pub fn text(field: &str, given: &str, most: usize) -> Result<(), Refusal> {
    let length = given.chars().count();
    if given.trim().is_empty() {
        return Err(Refusal::new(format!(
            "`{field}` is empty; write 1 to {most} characters"
        )));
    }
    if length > most {
        return Err(Refusal::new(format!(
            "`{field}` has {length} characters; at most {most} are accepted"
        )));
    }
    Ok(())
}

/// A reason that is worth reading, 500 characters at most.
pub(super) fn reason(text: &str) -> Result<String, Refusal> {
    self::text("reason", text, 500)?;
    Ok(text.trim().to_owned())
}
