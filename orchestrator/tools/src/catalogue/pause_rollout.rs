//! `pause_rollout`: hold a rollout where it is.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::rollout::{OneRollout, meant};

/// See the module.
pub struct PauseRollout;

impl Describe for PauseRollout {
    type Args = OneRollout;
    type Answer = Changed;
    const NAME: &'static str = "pause_rollout";
    const TITLE: &'static str = "Hold a rollout";
    const DESCRIPTION: &'static str = "Holds a rollout where it is: no further instance is replaced and no further stage begins \
        until it is resumed or promoted. Instances that fail are started again all the same. A \
        rollout that is held longer than `spec.update.pauseDeadline` goes back.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let generation = meant(view, &args)?;
        Ok(Decided::Change(Change::PauseRollout {
            service: args.service,
            generation,
        }))
    }
}
