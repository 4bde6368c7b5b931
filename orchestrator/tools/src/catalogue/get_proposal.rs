//! `get_proposal`: one proposal.

use ostler_core::id::ProposalId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::ProposalDetail,
    contract::{About, Class, Decided, Describe, Refusal},
    twin,
    view::View,
};

use super::lookup::{self, answer};

/// See the module.
pub struct GetProposal;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The proposal's id, `prp_…`.
    pub proposal: ProposalId,
}

impl Describe for GetProposal {
    type Args = Args;
    type Answer = ProposalDetail;
    const NAME: &'static str = "get_proposal";
    const TITLE: &'static str = "One proposal";
    const DESCRIPTION: &'static str = "Shows one proposal in full: the cause it answers with evidence, the exact tool calls in \
        order, the expected effect, how it will be verified, alternatives that were considered, its \
        approval, and, until its calls are begun, a forecast: the calls tried on a fork of the fleet \
        as it is now (steps in order, instances disturbed or resized, fewest ready instances on the way, \
        invariants that would be broken, how long until it rests), or why nothing can be foretold.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let proposal = lookup::proposal(view, &args.proposal)?;
        let approval = proposal
            .approval
            .as_ref()
            .and_then(|id| view.records.approvals.get(id));
        let detail = ProposalDetail {
            proposal: proposal.clone(),
            approval: approval.cloned(),
            forecast: twin::foretell_open(view, proposal),
        };
        answer(&detail, About::service(&proposal.body.cause.culprit))
    }
}
