//! `undo_change`: take back a change.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

/// See the module.
pub struct UndoChange;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The revision that the change made.
    pub revision: u64,
}

impl Describe for UndoChange {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "undo_change";
    const TITLE: &'static str = "Take back a change";
    const DESCRIPTION: &'static str = "Takes back a past change by its recorded inverse, as a new change that policy judges like \
        any other. `list_changes` gives the revisions and tells which can be taken back.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;
    const IDEMPOTENT: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if args.revision == 0 || args.revision > view.intent.revision.0 {
            let newest = view.intent.revision;
            return Err(Refusal::new(format!(
                "there is no revision {}; the newest is {newest}",
                args.revision
            )));
        }
        Ok(Decided::Query {
            query: Query::Undo {
                revision: args.revision,
            },
            about: About::fleet(),
        })
    }
}
