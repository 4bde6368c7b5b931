//! `list_approvals`: requests for approval.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Approvals,
    contract::{About, Class, Decided, Describe, Refusal},
    record::{Approval, ApprovalState},
    view::View,
};

use super::lookup::{self, answer};

/// See the module.
pub struct ListApprovals;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only this one: the approval's id `apr_…`, or the id `prp_…` of its proposal.
    pub id: Option<String>,
    /// Only approvals in this state; `waiting` are those that a person should look at.
    pub state: Option<ApprovalState>,
    /// At most so many, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

impl Describe for ListApprovals {
    type Args = Args;
    type Answer = Approvals;
    const NAME: &'static str = "list_approvals";
    const TITLE: &'static str = "Requests for approval";
    const DESCRIPTION: &'static str = "Lists requests for a person's yes, newest first: the exact calls with their arguments, what each \
        would do in words and field by field, who asked, why policy asks, which roles may say yes, until when. Secrets \
        are not shown. Answer them with \
        `approve` and `reject`.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let limit = lookup::limited("limit", args.limit, 50, 200)?;
        let is_it = |approval: &Approval, id: &str| {
            let proposal = approval.proposal.as_ref().map(|proposal| proposal.as_str());
            approval.id.as_str() == id || proposal == Some(id)
        };
        let wanted = |approval: &Approval| {
            args.state.is_none_or(|state| approval.state == state)
                && args.id.as_deref().is_none_or(|id| is_it(approval, id))
        };
        let all = view
            .records
            .approvals
            .values()
            .filter(|approval| wanted(approval));
        let mut approvals: Vec<_> = all.cloned().collect();
        approvals.sort_by(|a, b| {
            b.requested_at
                .cmp(&a.requested_at)
                .then_with(|| a.id.cmp(&b.id))
        });
        approvals.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        answer(&Approvals { approvals }, About::fleet())
    }
}
