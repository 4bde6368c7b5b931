//! `list_agents`: agents.

use std::collections::BTreeSet;

use ostler_core::{id::AgentName, shadow::ShadowTally};

use crate::{
    answer::{AgentInfo, Agents},
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{Nothing, answer};

/// See the module.
pub struct ListAgents;

impl Describe for ListAgents {
    type Args = Nothing;
    type Answer = Agents;
    const NAME: &'static str = "list_agents";
    const TITLE: &'static str = "Agents";
    const DESCRIPTION: &'static str = "Lists the supervised agents: whether each runs, is paused by a person, when it was last \
        heard, restarts, why it last ended, what it may spend on language models and did, what exactly runs, whether it may act \
        alone and on which certificate, its record, and how often a shadow that thinks along concluded otherwise.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        let mut names: BTreeSet<&AgentName> = view.world.agents.keys().collect();
        names.extend(&view.intent.paused_agents);
        names.extend(view.intent.promoted_agents.keys());
        let info = |name: &AgentName| {
            let (standing, record) = view.standing_of(name);
            AgentInfo {
                name: name.clone(),
                paused: view.intent.paused_agents.contains(name),
                status: view.world.agents.get(name).cloned().unwrap_or_default(),
                standing,
                autonomy: view.intent.promoted_agents.get(name).cloned(),
                record,
                shadows: ShadowTally::of(name, view.records.incidents.values()),
            }
        };
        let agents = names.into_iter().map(info).collect();
        answer(&Agents { agents }, About::fleet())
    }
}
