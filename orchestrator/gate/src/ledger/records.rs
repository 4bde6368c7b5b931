//! Records as they move: merged, taken away, outdated.

use std::collections::BTreeSet;

use ostler_core::{
    id::{IncidentId, ProposalId},
    incident::IncidentState,
};
use ostler_tools::record::{ApprovalState, Records};

use crate::{config::Limits, ports::RecordKind};

/// Puts what is new or differs.
pub(super) fn merge(records: &mut Records, changed: &Records) {
    let Records {
        incidents,
        proposals,
        approvals,
        tokens,
    } = changed.clone();
    records.incidents.extend(incidents);
    records.proposals.extend(proposals);
    records.approvals.extend(approvals);
    records.tokens.extend(tokens);
}

/// Takes one away.
pub(super) fn remove(records: &mut Records, kind: RecordKind, id: &str) {
    match kind {
        RecordKind::Incident => records.incidents.retain(|key, _| key.as_str() != id),
        RecordKind::Proposal => records.proposals.retain(|key, _| key.as_str() != id),
        RecordKind::Approval => records.approvals.retain(|key, _| key.as_str() != id),
        RecordKind::Token => records.tokens.retain(|key, _| key != id),
    }
}

/// Whether one is there.
pub(super) fn holds(records: &Records, kind: RecordKind, id: &str) -> bool {
    match kind {
        RecordKind::Incident => records.incidents.keys().any(|key| key.as_str() == id),
        RecordKind::Proposal => records.proposals.keys().any(|key| key.as_str() == id),
        RecordKind::Approval => records.approvals.keys().any(|key| key.as_str() == id),
        RecordKind::Token => records.tokens.contains_key(id),
    }
}

/// What retention takes away: the oldest closed incidents with their paperwork, and old approvals.
pub(super) fn outdated(records: &Records, limits: &Limits) -> Vec<(RecordKind, String)> {
    let mut gone = Vec::new();
    let ended = |incident: &ostler_core::incident::Incident| {
        incident.closed_at.is_some()
            || matches!(
                incident.state,
                IncidentState::Resolved | IncidentState::Closed
            )
    };
    let mut closed: Vec<_> = records
        .incidents
        .values()
        .filter(|incident| ended(incident))
        .collect();
    let too_many = closed.len().saturating_sub(limits.closed_incidents);
    closed.sort_by_key(|incident| (incident.closed_at, incident.id.clone()));
    let incidents: BTreeSet<&IncidentId> = closed
        .iter()
        .take(too_many)
        .map(|incident| &incident.id)
        .collect();
    let proposals: BTreeSet<&ProposalId> = records
        .proposals
        .values()
        .filter(|proposal| incidents.contains(&proposal.incident))
        .map(|proposal| &proposal.id)
        .collect();
    gone.extend(
        incidents
            .iter()
            .map(|id| (RecordKind::Incident, id.to_string())),
    );
    gone.extend(
        proposals
            .iter()
            .map(|id| (RecordKind::Proposal, id.to_string())),
    );
    let over = |state| {
        matches!(
            state,
            ApprovalState::Used | ApprovalState::Rejected | ApprovalState::Expired
        )
    };
    let mut old: Vec<_> = records
        .approvals
        .values()
        .filter(|approval| over(approval.state))
        .collect();
    old.sort_by_key(|approval| (approval.requested_at, approval.id.clone()));
    let too_many = old.len().saturating_sub(limits.old_approvals);
    let of_gone = |approval: &&&ostler_tools::record::Approval| {
        approval
            .proposal
            .as_ref()
            .is_some_and(|proposal| proposals.contains(proposal))
    };
    let approvals: BTreeSet<_> = old
        .iter()
        .take(too_many)
        .chain(old.iter().filter(of_gone))
        .map(|approval| &approval.id)
        .collect();
    gone.extend(
        approvals
            .into_iter()
            .map(|id| (RecordKind::Approval, id.to_string())),
    );
    gone
}
