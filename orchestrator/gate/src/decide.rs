//! A person's answer to a request: by somebody else, in time, to what is still as it was.

use std::collections::BTreeSet;

use ostler_core::{
    id::ApprovalId,
    proposal::{Proposal, ProposalState},
    time::Time,
};
use ostler_tools::{
    answer,
    principal::{Principal, Role},
    record::{Approval, ApprovalState, Yes},
};

use crate::{
    door::Gate,
    ledger::Writing,
    plan::{Call, State},
    record::Declined,
};

/// What a person says.
pub(crate) struct Said<'a> {
    pub(crate) yes: bool,
    pub(crate) reason: &'a str,
    /// Whether, with a no, another plan is wanted.
    pub(crate) another: bool,
}

impl Gate {
    /// Takes an answer. Whatever policy says, never an agent's and never the requester's own. A yes
    /// to what has changed meanwhile is refused, and ends the request.
    pub(crate) fn answer(
        &self,
        call: &Call,
        state: &State,
        writing: &mut Writing,
        id: &ApprovalId,
        said: &Said<'_>,
    ) -> Result<answer::Decision, Declined> {
        let approval = state
            .records
            .approvals
            .get(id)
            .ok_or_else(|| format!("there is no approval `{id}`"))?;
        let role = may_answer(call, state, approval)?;
        if !said.yes && said.reason.trim().is_empty() {
            return Err("`reason` is empty; a no needs a reason".to_owned().into());
        }
        if said.another && approval.proposal.is_none() {
            return Err(format!(
                "`{id}` is for a call, not for a proposal: there is no plan to have another of"
            )
            .into());
        }
        if said.yes {
            self.still_stands(call, state, approval)?;
        }
        let answered = weigh(call, approval.clone(), role, said);
        if answered.state != ApprovalState::Waiting {
            let calls = answered
                .proposal
                .as_ref()
                .and_then(|id| state.records.proposals.get(id))
                .filter(|_| said.yes);
            let tried = calls.map(|proposal| self.tried(call, state, &proposal.body.calls));
            crate::proposal::answered(call, state, writing, &answered, (said, tried));
        }
        let decision = answer::Decision {
            approval: id.clone(),
            state: answered.state,
            proposal: answered.proposal.clone(),
        };
        writing.records.approvals.insert(id.clone(), answered);
        Ok(decision)
    }

    /// Refuses a yes to what is no longer what was asked about; that request is over.
    fn still_stands(
        &self,
        call: &Call,
        state: &State,
        approval: &Approval,
    ) -> Result<(), Declined> {
        let now = crate::base::again(
            &approval.base,
            self.engine_of(state).version(),
            &state.intent,
        );
        let moved = approval.base.differences(&now);
        if moved.is_empty() {
            return Ok(());
        }
        let shown = moved.iter().take(5).cloned().collect::<Vec<_>>();
        let more = moved.len() - shown.len();
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        let words = format!(
            "what you were asked about has changed: {}{more}; {} must ask again",
            shown.join("; "),
            approval.requested_by
        );
        let mut writing = Writing::default();
        let mut ended = approval.clone();
        ended.state = ApprovalState::Expired;
        ended.reason = Some(words.clone());
        writing.records.approvals.insert(ended.id.clone(), ended);
        crate::proposal::overtaken(call, state, &mut writing, approval);
        Err(Declined {
            words,
            records: writing.records,
        })
    }
}

/// The request with one more answer.
fn weigh(call: &Call, mut approval: Approval, role: Vec<Role>, said: &Said<'_>) -> Approval {
    let by = call.caller.to_string();
    if said.yes {
        approval.yes.extend(role.into_iter().map(|role| Yes {
            by: by.clone(),
            role,
        }));
    }
    let roles: BTreeSet<Role> = approval.yes.iter().map(|yes| yes.role).collect();
    let enough = if approval.any {
        !roles.is_empty()
    } else {
        approval.needs.iter().all(|role| roles.contains(role))
    };
    if said.yes && !enough {
        return approval;
    }
    approval.state = if said.yes {
        ApprovalState::Granted
    } else {
        ApprovalState::Rejected
    };
    let everybody: BTreeSet<String> = approval.yes.iter().map(|yes| yes.by.clone()).collect();
    let everybody: Vec<String> = everybody.into_iter().collect();
    approval.decided_by = Some(if said.yes { everybody.join(", ") } else { by });
    approval.decided_at = Some(call.now);
    approval.reason = Some(said.reason.to_owned()).filter(|reason| !reason.is_empty());
    approval
}

/// Why a request takes no answer any more.
fn over(approval: &Approval, proposal: Option<&Proposal>, now: Time) -> Option<String> {
    let words = match approval.state {
        ApprovalState::Waiting if approval.expires_at <= now => {
            "expired before anybody answered; the call must be made again"
        }
        ApprovalState::Waiting => return proposal.and_then(proposal_over),
        ApprovalState::Granted => "is granted already",
        ApprovalState::Rejected => "was rejected; the call must be made again",
        ApprovalState::Used => "was granted and is used up; the call must be made again",
        ApprovalState::Expired => "has expired; the call must be made again",
    };
    Some(words.to_owned())
}

fn proposal_over(proposal: &Proposal) -> Option<String> {
    (proposal.state != ProposalState::Waiting).then(|| {
        format!(
            "was for proposal `{}`, which no longer waits for an answer",
            proposal.id
        )
    })
}

/// As which of the needed roles the caller may answer; one person counts once.
fn may_answer(call: &Call, state: &State, approval: &Approval) -> Result<Vec<Role>, String> {
    let id = &approval.id;
    let Principal::User { roles, .. } = &call.caller else {
        return Err(format!("only a person can answer `{id}`"));
    };
    let by = call.caller.to_string();
    if by == approval.requested_by {
        return Err(format!(
            "`{id}` was asked for by {by}; somebody else must answer it"
        ));
    }
    let proposal = approval.proposal.as_ref();
    let proposal = proposal.and_then(|id| state.records.proposals.get(id));
    if let Some(over) = over(approval, proposal, call.now) {
        return Err(format!("`{id}` {over}"));
    }
    if approval.yes.iter().any(|yes| yes.by == by) {
        return Err(format!(
            "{by} said yes to `{id}` already; somebody else must say yes too"
        ));
    }
    let missing = |role: &&Role| approval.any || !approval.yes.iter().any(|yes| yes.role == **role);
    let fitting = approval
        .needs
        .iter()
        .filter(missing)
        .filter(|role| roles.contains(role))
        .copied();
    let fitting: Vec<Role> = fitting.take(1).collect();
    if fitting.is_empty() {
        let needs = approval
            .needs
            .iter()
            .map(|role| role.as_str())
            .collect::<Vec<_>>();
        let joined = needs.join(if approval.any { " or " } else { " and " });
        return Err(format!(
            "`{id}` needs the answer of somebody with the role {joined}"
        ));
    }
    Ok(fitting)
}
