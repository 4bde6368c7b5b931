//! What was written down before a bundle's moment: incidents that are over, with their proposals.

use ostler_core::{
    id::{IncidentId, InvalidName, ProposalId},
    incident::{Cause, Correction, Incident, IncidentState},
    plan::ServiceState,
    proposal::{Proposal, ProposalBody, ProposalState, ProposedCall, Verify},
    time::Span,
};
use ostler_tools::record::Records;

use crate::{
    bundle::{Bundle, PastIn},
    world::START,
};

/// The records of a bundle's past.
pub(crate) fn records(bundle: &Bundle) -> Result<Records, InvalidName> {
    let mut records = Records::default();
    for (number, past) in bundle.past.iter().enumerate() {
        let ids = (
            format!("inc_past-{number}").parse()?,
            format!("prp_past-{number}").parse()?,
        );
        let (incident, proposal) = one(past, ids, &format!("agent:{}", bundle.agent));
        records.incidents.insert(incident.id.clone(), incident);
        records.proposals.insert(proposal.id.clone(), proposal);
    }
    Ok(records)
}

fn one(past: &PastIn, (id, proposal): (IncidentId, ProposalId), by: &str) -> (Incident, Proposal) {
    let at = START - past.ago;
    let cause = Cause {
        kind: past.cause,
        culprit: past.service.clone(),
        confidence: 0.9,
        explanation: "as it was seen then".to_owned(),
        evidence: Vec::new(),
    };
    let proposal = Proposal {
        id: proposal,
        incident: id.clone(),
        by: by.to_owned(),
        at,
        state: past.became,
        body: body(past, cause.clone()),
        approval: None,
        done: u32::from(past.became == ProposalState::Verified),
        outcome: None,
        services: [past.service.clone()].into(),
        lease_until: None,
        another: None,
    };
    let correction = past.corrected.clone().map(|words| Correction {
        by: "user:ann".to_owned(),
        at,
        wrong: past.cause,
        cause: None,
        words,
    });
    let incident = Incident {
        id,
        service: past.service.clone(),
        state: IncidentState::Resolved,
        title: "as before".to_owned(),
        opened_by: by.to_owned(),
        opened_at: at,
        began_at: at,
        closed_at: Some(at),
        cause: Some(cause),
        proposals: vec![proposal.id.clone()],
        timeline: Vec::new(),
        symptoms: past.symptoms.clone(),
        correction,
    };
    (incident, proposal)
}

fn body(past: &PastIn, cause: Cause) -> ProposalBody {
    ProposalBody {
        title: format!("`{}` as before", past.tool),
        cause,
        calls: vec![ProposedCall {
            tool: past.tool.clone(),
            arguments: serde_json::Map::new(),
            reason: "as before".to_owned(),
        }],
        expected: "as before".to_owned(),
        verify: Verify {
            service: past.service.clone(),
            state: ServiceState::Healthy,
            hold: Span::seconds(10),
            within: Span::minutes(2),
        },
        alternatives: Vec::new(),
    }
}
