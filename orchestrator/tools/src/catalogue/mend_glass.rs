//! `mend_glass`: end an emergency.

use ostler_core::change::Change;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    principal::Principal,
    view::View,
};

/// See the module.
pub struct MendGlass;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Whose emergency ends, by name; your own when left out.
    #[serde(default)]
    pub person: Option<String>,
}

impl Describe for MendGlass {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "mend_glass";
    const TITLE: &'static str = "End an emergency";
    const DESCRIPTION: &'static str = "Ends an emergency that somebody declared with `break_glass`, before it ends by itself. What was \
        done in it stays done.";
    const CLASS: Class = Class::Admin;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let own = match view.caller {
            Principal::User { name, .. } => Some(name.clone()),
            _ => None,
        };
        let person = args.person.or(own);
        let person = person.ok_or_else(|| Refusal::new("give `person`: whose emergency ends"))?;
        Ok(Decided::Change(Change::SetGlass {
            person: person.chars().take(256).collect(),
            glass: None,
        }))
    }
}
