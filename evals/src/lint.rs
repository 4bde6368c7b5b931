//! Whether a bundle makes sense: its world can be built, and its truth speaks of what is in it.

use ostler_core::id::ServiceKey;
use ostler_tools::{catalogue, contract::Tool};

use crate::{
    bundle::{Bundle, Truth},
    world::World,
};

/// What is wrong with a bundle, in words; nothing when it can be run.
#[must_use]
pub fn lint(bundle: &Bundle) -> Vec<String> {
    let mut wrong: Vec<String> = World::new(bundle).err().into_iter().collect();
    let agents = ostler_agents::registry();
    if !agents.iter().any(|agent| agent.name == bundle.agent) {
        wrong.push(format!("`agent`: there is no agent `{}`", bundle.agent));
    }
    match &bundle.truth {
        Truth::Healthy => {}
        Truth::Unexplained { service } => wrong.extend(unknown(bundle, "service", service)),
        Truth::Faulty { culprit, tool, .. } => {
            wrong.extend(unknown(bundle, "culprit", culprit));
            wrong.extend(tool.as_deref().and_then(unproposable));
        }
    }
    wrong
}

fn unknown(bundle: &Bundle, field: &str, service: &ServiceKey) -> Option<String> {
    let known = bundle.services.iter().any(|one| one.service == *service);
    (!known).then(|| format!("`truth.{field}`: there is no service `{service}` in it"))
}

fn unproposable(tool: &str) -> Option<String> {
    let fits = catalogue::find(tool).is_some_and(Tool::may_be_proposed);
    (!fits).then(|| format!("`truth.tool`: `{tool}`: {}", catalogue::proposable()))
}
