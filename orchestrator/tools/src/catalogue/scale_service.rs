//! `scale_service`: set how many instances.

use ostler_core::{change::Change, id::ServiceKey};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup;

/// See the module.
pub struct ScaleService;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// How many instances are wanted.
    pub replicas: u32,
}

impl Describe for ScaleService {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "scale_service";
    const TITLE: &'static str = "Set how many instances";
    const DESCRIPTION: &'static str = "Sets the wanted number of instances of a service, inside the bounds of its `spec.replicas`. \
        Instances are added or taken away without a rollout.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::service(view, &args.service)?;
        Ok(Decided::Change(Change::ScaleService {
            service: args.service,
            replicas: args.replicas,
        }))
    }
}
