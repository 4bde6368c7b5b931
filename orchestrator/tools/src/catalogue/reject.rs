//! `reject`: say no.

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
pub struct Reject;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The approval's id `apr_…`, or the proposal's `prp_…`.
    pub id: String,
    /// Why; 500 characters at most.
    pub reason: String,
    /// Whether the agent is to think of another plan, knowing why; for a proposal. False when absent: then the incident is
    /// a person's.
    #[serde(default)]
    pub another_plan: bool,
}

impl Describe for Reject {
    type Args = Args;
    type Answer = Decision;
    const NAME: &'static str = "reject";
    const TITLE: &'static str = "Say no";
    const DESCRIPTION: &'static str = "Says no to a request for approval, by its id `apr_…` or by the id `prp_…` of the proposal \
        that waits for it. A reason is required: the one who asked reads it. With `another_plan` the agent thinks again.";
    const CLASS: Class = Class::Approve;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let reason = args.reason;
        lookup::text("reason", &reason, 500)?;
        let (approval, about) = paper::awaited(view, &args.id)?;
        Ok(Decided::Record {
            record: RecordChange::Decide {
                approval,
                yes: false,
                reason,
                another: args.another_plan,
            },
            about,
        })
    }
}
