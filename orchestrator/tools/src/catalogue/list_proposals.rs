//! `list_proposals`: proposals.

use ostler_core::{
    id::IncidentId,
    proposal::{Proposal, ProposalState},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Proposals,
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    build,
    lookup::{self, answer},
};

/// See the module.
pub struct ListProposals;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only proposals for this incident.
    pub incident: Option<IncidentId>,
    /// Only proposals in this state.
    pub state: Option<ProposalState>,
    /// At most so many, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

impl Describe for ListProposals {
    type Args = Args;
    type Answer = Proposals;
    const NAME: &'static str = "list_proposals";
    const TITLE: &'static str = "Proposals";
    const DESCRIPTION: &'static str = "Lists agents' proposals, newest first: what each would do, for which incident, where it \
        stands (waiting, approved, rejected, acting, verifying, verified, undone, failed, expired), \
        and the approval it waits for.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let limit = lookup::limited("limit", args.limit, 50, 200)?;
        let wanted = |proposal: &Proposal| {
            args.incident
                .as_ref()
                .is_none_or(|id| &proposal.incident == id)
                && args.state.is_none_or(|state| proposal.state == state)
        };
        let all = view
            .records
            .proposals
            .values()
            .filter(|proposal| wanted(proposal));
        let mut proposals: Vec<_> = all.map(build::proposal).collect();
        proposals.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
        proposals.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        answer(&Proposals { proposals }, About::fleet())
    }
}
