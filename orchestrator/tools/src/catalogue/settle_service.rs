//! `settle_service`: settle a rollout.

use ostler_core::{
    change::Change,
    id::{Generation, ServiceKey},
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
pub struct SettleService;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// The generation that settled; ignored if it is no longer current.
    pub generation: Generation,
}

impl Describe for SettleService {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "settle_service";
    const TITLE: &'static str = "Settle a rollout";
    const DESCRIPTION: &'static str = "Records that the rollout of a generation finished. The core asks for it by itself; nobody \
        else may.";
    const CLASS: Class = Class::Change;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if *view.caller != Principal::System {
            return Err(Refusal::new(
                "only the core settles rollouts; it does so by itself",
            ));
        }
        Ok(Decided::Change(Change::SettleService {
            service: args.service,
            generation: args.generation,
        }))
    }
}
