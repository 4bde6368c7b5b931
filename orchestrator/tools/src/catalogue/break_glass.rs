//! `break_glass`: declare an emergency.

use ostler_core::{
    change::Change,
    law::{GLASS_LIMIT, Glass},
    time::Span,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    principal::Principal,
    view::View,
};

use super::lookup::reason;

/// How long it lasts where nothing is said.
const USUAL: Span = Span::minutes(30);

/// See the module.
pub struct BreakGlass;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What is on fire, for whoever reads the log tomorrow.
    pub reason: String,
    /// How long it lasts, such as `30m` (which it is when left out); 4 hours at most.
    #[serde(rename = "for", default)]
    pub lasts: Option<Span>,
}

impl Describe for BreakGlass {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "break_glass";
    const TITLE: &'static str = "Declare an emergency";
    const DESCRIPTION: &'static str = "For a while, you alone may do what otherwise waits for an admin's yes: freezes, change windows, hourly \
        budgets and limits on size and reach do not hold you up. What removes kept data, gives a service a directory of the host, or changes who \
        may do what still needs others. Everybody is told, everything you do is marked in the log, and it ends by itself.";
    const CLASS: Class = Class::Admin;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let Principal::User { name, .. } = view.caller else {
            return Err(Refusal::new("only a person declares an emergency"));
        };
        let lasts = args.lasts.unwrap_or(USUAL);
        if lasts == Span(0) || lasts > GLASS_LIMIT {
            return Err(Refusal::new(format!(
                "`for` is {lasts}; give more than `0s`, `4h` at most. It can be declared again"
            )));
        }
        let glass = Glass {
            until: view.now + lasts,
            reason: reason(&args.reason)?,
        };
        Ok(Decided::Change(Change::SetGlass {
            person: name.clone(),
            glass: Some(glass),
        }))
    }
}
