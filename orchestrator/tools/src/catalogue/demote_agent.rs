//! `demote_agent`: let an agent act with a person's yes only.

use ostler_core::{change::Change, id::AgentName};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

/// See the module.
pub struct DemoteAgent;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The agent.
    pub agent: AgentName,
    /// Why, for the log.
    pub reason: String,
}

impl Describe for DemoteAgent {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "demote_agent";
    const TITLE: &'static str = "Let an agent no longer act alone";
    const DESCRIPTION: &'static str = "From now on the agent needs a person's yes for everything that it changes. The core asks for it \
        by itself when two proposals of the agent had to be taken back or were overruled. It cannot be undone: who may act alone \
        again is for an admin to say, with a certificate.";
    const CLASS: Class = Class::Admin;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if args.reason.trim().is_empty() {
            return Err(Refusal::new("`reason` is empty; say why, for the log"));
        }
        if !view.intent.promoted_agents.contains_key(&args.agent) {
            return Err(Refusal::new(format!(
                "`{}` does not act alone; `ostler agents list` says who does",
                args.agent
            )));
        }
        Ok(Decided::Change(Change::SetAutonomy {
            agent: args.agent,
            autonomy: None,
        }))
    }
}
