//! `freeze_changes`: let nobody change anything for a while.

use std::collections::BTreeSet;

use ostler_core::{
    change::Change,
    id::{FreezeName, Namespace},
    law::Freeze,
    time::{Span, Time},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::reason;

/// The longest freeze.
const AT_MOST: Span = Span::minutes(90 * 24 * 60);
/// Most namespaces of one.
const NAMESPACES: usize = 100;

/// See the module.
pub struct FreezeChanges;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What it is called; a freeze of that name is replaced.
    pub name: FreezeName,
    /// Why, for everybody who meets it.
    pub reason: String,
    /// How long it lasts, such as `48h`; 90 days at most.
    #[serde(rename = "for")]
    pub lasts: Span,
    /// When it begins, milliseconds since 1970; now when left out.
    #[serde(default)]
    pub from: Option<Time>,
    /// Where it holds, 100 namespaces at most; everywhere when left out.
    #[serde(default)]
    pub namespaces: BTreeSet<Namespace>,
}

impl Describe for FreezeChanges {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "freeze_changes";
    const TITLE: &'static str = "Let nobody change anything for a while";
    const DESCRIPTION: &'static str = "While it holds, every change of services, secrets and nodes by agents, assistants and people needs \
        an admin's yes, and an admin's own that of another admin where there is one. Restarts, back-off, rollouts under way and following the \
        load go on: those are the core's. What one did oneself within the last hour may be taken back.";
    const CLASS: Class = Class::Admin;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let from = args.from.unwrap_or(view.now);
        if args.lasts == Span(0) || args.lasts > AT_MOST {
            return Err(Refusal::new(format!(
                "`for` is {}; give more than `0s`, `90d` at most",
                args.lasts
            )));
        }
        if from + args.lasts <= view.now {
            return Err(Refusal::new(
                "that freeze would be over already; give a later `from`",
            ));
        }
        if args.namespaces.len() > NAMESPACES {
            return Err(Refusal::new(format!(
                "`namespaces` names {}; {NAMESPACES} at most, or none for everywhere",
                args.namespaces.len()
            )));
        }
        let freeze = Freeze {
            from,
            until: from + args.lasts,
            namespaces: args.namespaces,
            reason: reason(&args.reason)?,
        };
        Ok(Decided::Change(Change::SetFreeze {
            name: args.name,
            freeze: Some(Box::new(freeze)),
        }))
    }
}
