//! `list_changes`: past changes.

use ostler_core::id::ServiceKey;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changes,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup;

/// See the module.
pub struct ListChanges;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only changes that touched this service.
    pub service: Option<ServiceKey>,
    /// At most so many, 1 to 200; 20 when absent.
    pub limit: Option<u32>,
}

impl Describe for ListChanges {
    type Args = Args;
    type Answer = Changes;
    const NAME: &'static str = "list_changes";
    const TITLE: &'static str = "Past changes";
    const DESCRIPTION: &'static str = "Lists changes of the intent, newest first: when, who, by which tool, what in words, which \
        services, the revision each made, and whether `undo_change` takes it back. Look here when \
        something began to fail: a change shortly before is the first suspect.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let limit = lookup::limited("limit", args.limit, 20, 200)?;
        let _ = view;
        let about = args
            .service
            .as_ref()
            .map_or_else(About::fleet, About::service);
        Ok(Decided::Query {
            query: Query::Changes {
                service: args.service,
                limit,
            },
            about,
        })
    }
}
