//! Changes of nodes and agents, each answering with its inverse.

use super::Change;
use crate::{
    autonomy::Autonomy,
    id::{AgentName, NodeName},
    intent::Intent,
};

/// The change that puts a node back as it is in `intent`.
fn as_it_is(intent: &Intent, node: &NodeName) -> Change {
    let node = node.clone();
    if intent.draining.contains(&node) {
        Change::DrainNode { node }
    } else if intent.cordoned.contains(&node) {
        let uncordon = Change::UncordonNode { node: node.clone() };
        Change::All {
            changes: vec![uncordon, Change::CordonNode { node }],
        }
    } else {
        Change::UncordonNode { node }
    }
}

/// No new instances there.
pub(super) fn cordon(intent: &mut Intent, node: &NodeName) -> Change {
    let inverse = as_it_is(intent, node);
    intent.cordoned.insert(node.clone());
    inverse
}

/// New instances again; a drain ends too.
pub(super) fn uncordon(intent: &mut Intent, node: &NodeName) -> Change {
    let inverse = as_it_is(intent, node);
    intent.cordoned.remove(node);
    intent.draining.remove(node);
    inverse
}

/// Nothing new there, and what is there moves off.
pub(super) fn drain(intent: &mut Intent, node: &NodeName) -> Change {
    let inverse = as_it_is(intent, node);
    intent.cordoned.insert(node.clone());
    intent.draining.insert(node.clone());
    inverse
}

fn agent_as_it_is(intent: &Intent, agent: &AgentName) -> Change {
    let agent = agent.clone();
    if intent.paused_agents.contains(&agent) {
        Change::PauseAgent { agent }
    } else {
        Change::ResumeAgent { agent }
    }
}

/// The agent must not act.
pub(super) fn pause(intent: &mut Intent, agent: &AgentName) -> Change {
    let inverse = agent_as_it_is(intent, agent);
    intent.paused_agents.insert(agent.clone());
    inverse
}

/// The agent may act again.
pub(super) fn resume(intent: &mut Intent, agent: &AgentName) -> Change {
    let inverse = agent_as_it_is(intent, agent);
    intent.paused_agents.remove(agent);
    inverse
}

/// The agent may act alone, or no longer. What was taken away is not given back by an undo.
pub(super) fn set_autonomy(
    intent: &mut Intent,
    agent: &AgentName,
    autonomy: Option<&Autonomy>,
) -> Option<Change> {
    let Some(autonomy) = autonomy else {
        intent.promoted_agents.remove(agent);
        return None;
    };
    let agent = agent.clone();
    let before = intent
        .promoted_agents
        .insert(agent.clone(), autonomy.clone());
    Some(Change::SetAutonomy {
        agent,
        autonomy: before.map(Box::new),
    })
}
