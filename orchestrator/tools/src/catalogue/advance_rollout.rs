//! `advance_rollout`: the core's own move of a rollout.

use ostler_core::{
    change::Change,
    id::{Generation, ServiceKey},
    rollout::Mark,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    principal::Principal,
    view::View,
};

/// See the module.
pub struct AdvanceRollout;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// The generation that rolls out; ignored if it is no longer current.
    pub generation: Generation,
    /// Where it stood when that was decided; ignored if it no longer does, or is paused.
    pub from: Mark,
    /// Where it stands then.
    pub to: Mark,
}

impl Describe for AdvanceRollout {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "advance_rollout";
    const TITLE: &'static str = "Move a rollout on by its rules";
    const DESCRIPTION: &'static str = "Records that a rollout reached what its stage wants, or that its next stage begins. The core \
        asks for it by itself; nobody else may. People and agents use `promote_rollout`.";
    const CLASS: Class = Class::Change;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if *view.caller != Principal::System {
            return Err(Refusal::new(
                "only the core moves rollouts on by their rules; use `promote_rollout`",
            ));
        }
        Ok(Decided::Change(Change::AdvanceRollout {
            service: args.service,
            generation: args.generation,
            from: args.from,
            to: args.to,
        }))
    }
}
