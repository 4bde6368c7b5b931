//! `submit_proposal`: propose a fix.

use ostler_core::{
    id::{IncidentId, InvalidName},
    proposal::ProposalBody,
};
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
pub struct SubmitProposal;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// For which incident.
    pub incident: IncidentId,
    /// What is proposed.
    pub proposal: ProposalBody,
}

impl Describe for SubmitProposal {
    type Args = Args;
    type Answer = ProposalTouched;
    const NAME: &'static str = "submit_proposal";
    const TITLE: &'static str = "Propose a fix";
    const DESCRIPTION: &'static str = "Submits a plan for an incident: the cause with evidence (each claim cites the recorded call \
        that showed it), 1 to 10 tool calls in order, the expected effect, how to verify it. Each \
        call is judged by policy as it stands now; where a person must say yes, an approval is asked \
        for and the proposal waits. After approval the proposer makes exactly these calls.";
    const CLASS: Class = Class::Record;
    const IDEMPOTENT: bool = false;
    const CARRIES_CALLS: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let incident = lookup::incident(view, &args.incident)?;
        if incident.closed_at.is_some() {
            return Err(Refusal::new(format!(
                "incident `{}` is closed",
                incident.id
            )));
        }
        paper::proposal(view, &args.proposal)?;
        let id = format!("prp_{}", view.fresh_tail()).parse();
        let about = About {
            services: vec![incident.service.clone()],
            namespace: None,
        };
        let record = RecordChange::SubmitProposal {
            proposal: id.map_err(|error: InvalidName| Refusal::new(error.to_string()))?,
            incident: args.incident,
            body: Box::new(args.proposal),
        };
        Ok(Decided::Record { record, about })
    }
}
