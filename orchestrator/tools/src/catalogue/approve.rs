//! `approve`: say yes.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Decision,
    contract::{Class, Decided, Describe, Refusal},
    record::RecordChange,
    view::View,
};

use super::{lookup, paper};

/// See the module.
pub struct Approve;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The approval's id `apr_…`, or the proposal's `prp_…`.
    pub id: String,
    /// Why, for the record; 500 characters at most.
    pub reason: Option<String>,
}

impl Describe for Approve {
    type Args = Args;
    type Answer = Decision;
    const NAME: &'static str = "approve";
    const TITLE: &'static str = "Say yes";
    const DESCRIPTION: &'static str = "Says yes to a request for approval, by its id `apr_…` or by the id `prp_…` of the proposal \
        that waits for it. The yes covers exactly the calls that the request lists, once each, for a \
        limited time. Nobody can approve what they asked for themselves, and no agent can approve.";
    const CLASS: Class = Class::Approve;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let reason = args.reason.unwrap_or_default();
        if !reason.is_empty() {
            lookup::text("reason", &reason, 500)?;
        }
        let (approval, about) = paper::awaited(view, &args.id)?;
        Ok(Decided::Record {
            record: RecordChange::Decide {
                approval,
                yes: true,
                reason,
                another: false,
            },
            about,
        })
    }
}
