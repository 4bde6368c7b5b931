//! `resume_rollout`: let a paused rollout go on.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::rollout::{OneRollout, meant};

/// See the module.
pub struct ResumeRollout;

impl Describe for ResumeRollout {
    type Args = OneRollout;
    type Answer = Changed;
    const NAME: &'static str = "resume_rollout";
    const TITLE: &'static str = "Let a paused rollout go on";
    const DESCRIPTION: &'static str = "Lets a rollout go on that was paused. Its stage begins anew: it bakes in full, and its \
        deadlines count from now.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let generation = meant(view, &args)?;
        Ok(Decided::Change(Change::ResumeRollout {
            service: args.service,
            generation,
        }))
    }
}
