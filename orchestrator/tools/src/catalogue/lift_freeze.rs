//! `lift_freeze`: let changes be made again.

use ostler_core::{change::Change, id::FreezeName};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

/// See the module.
pub struct LiftFreeze;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The freeze, as `freeze_changes` called it.
    pub name: FreezeName,
}

impl Describe for LiftFreeze {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "lift_freeze";
    const TITLE: &'static str = "Let changes be made again";
    const DESCRIPTION: &'static str = "Ends a freeze that `freeze_changes` began. Freezes and change windows of the configuration \
        file are lifted there.";
    const CLASS: Class = Class::Admin;

    fn decide(_view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        Ok(Decided::Change(Change::SetFreeze {
            name: args.name,
            freeze: None,
        }))
    }
}
