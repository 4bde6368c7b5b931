//! `promote_rollout`: let a rollout take its next stage now.

use ostler_core::{
    change::Change,
    id::{Generation, ServiceKey},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::rollout::{OneRollout, meant};

/// See the module.
pub struct PromoteRollout;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// The generation that rolls out; refused if it is another one by then. The current one when absent.
    pub generation: Option<Generation>,
    /// Past all steps of a canary: everything is replaced.
    #[serde(default)]
    pub full: bool,
}

impl Describe for PromoteRollout {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "promote_rollout";
    const TITLE: &'static str = "Let a rollout take its next stage";
    const DESCRIPTION: &'static str = "Lets a rollout take its next stage now, whatever it waits for: the next step of a canary \
        (with `full` everything), or a preview gets the traffic and the old version is kept for a \
        while, or what was kept goes. A paused rollout goes on with it. Nothing checks whether the \
        new version does well: look at `get_rollout` first.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let (service, full) = (args.service, args.full);
        let one = OneRollout {
            service,
            generation: args.generation,
        };
        let generation = meant(view, &one)?;
        Ok(Decided::Change(Change::PromoteRollout {
            service: one.service,
            generation,
            full,
        }))
    }
}
