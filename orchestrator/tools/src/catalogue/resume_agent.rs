//! `resume_agent`: resume an agent.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, OneAgent};

/// See the module.
pub struct ResumeAgent;

impl Describe for ResumeAgent {
    type Args = OneAgent;
    type Answer = Changed;
    const NAME: &'static str = "resume_agent";
    const TITLE: &'static str = "Resume an agent";
    const DESCRIPTION: &'static str = "Lets a paused agent act again.";
    const CLASS: Class = Class::Admin;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::agent(view, &args.agent)?;
        Ok(Decided::Change(Change::ResumeAgent { agent: args.agent }))
    }
}
