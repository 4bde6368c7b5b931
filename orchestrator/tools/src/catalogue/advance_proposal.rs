//! `advance_proposal`: say how far a proposal is.

use ostler_core::{id::ProposalId, proposal::ProposalState};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::ProposalTouched,
    contract::{About, Class, Decided, Describe, Refusal},
    record::RecordChange,
    view::View,
};

use super::{lookup, paper};

/// See the module.
pub struct AdvanceProposal;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The proposal's id, `prp_…`.
    pub proposal: ProposalId,
    /// Where it stands now.
    pub state: ProposalState,
    /// How many of its calls were carried out so far.
    pub done: u32,
    /// What came of it, 500 characters at most.
    pub outcome: Option<String>,
}

impl Describe for AdvanceProposal {
    type Args = Args;
    type Answer = ProposalTouched;
    const NAME: &'static str = "advance_proposal";
    const TITLE: &'static str = "Say how far a proposal is";
    const DESCRIPTION: &'static str = "Records where a proposal stands: acting, verifying, then verified (it worked), undone (it \
        did not and was taken back) or failed (it did not and could not be taken back). Only its \
        proposer may.";
    const CLASS: Class = Class::Record;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let proposal = lookup::proposal(view, &args.proposal)?;
        paper::advance(view, proposal, args.state, args.done)?;
        if let Some(outcome) = &args.outcome {
            lookup::text("outcome", outcome, 500)?;
        }
        let about = About::service(&proposal.body.cause.culprit);
        let record = RecordChange::AdvanceProposal {
            proposal: args.proposal,
            state: args.state,
            done: args.done,
            outcome: args.outcome,
        };
        Ok(Decided::Record { record, about })
    }
}
