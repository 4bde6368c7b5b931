//! `pause_agent`: pause an agent.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, OneAgent};

/// See the module.
pub struct PauseAgent;

impl Describe for PauseAgent {
    type Args = OneAgent;
    type Answer = Changed;
    const NAME: &'static str = "pause_agent";
    const TITLE: &'static str = "Pause an agent";
    const DESCRIPTION: &'static str = "The kill switch of an agent: from now on every call of it that would do more than read is \
        denied, until it is resumed.";
    const CLASS: Class = Class::Admin;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::agent(view, &args.agent)?;
        Ok(Decided::Change(Change::PauseAgent { agent: args.agent }))
    }
}
