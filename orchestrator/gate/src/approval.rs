//! A person's yes: asked for, given, used once, expired.

use std::collections::BTreeSet;

use ostler_core::{id::ApprovalId, proposal::ProposalState, time::Time};
use ostler_policies::Decision;
use ostler_tools::{
    answer,
    principal::{Principal, Role},
    record::{Approval, ApprovalCall, ApprovalState, Records, Yes},
};

use crate::{
    door::Gate,
    facts::role,
    ledger::Writing,
    permit::Use,
    plan::{Call, Planned, State},
};

/// A call that waits for a yes.
pub(crate) struct Held {
    calls: Vec<ApprovalCall>,
    requested_by: String,
    at: Time,
    fresh: u64,
    needs: Vec<Role>,
    any: bool,
    because: Vec<String>,
}

impl Held {
    pub(crate) fn new(
        call: &Call,
        planned: &Planned,
        roles: &[String],
        any: bool,
        decision: &Decision,
    ) -> Self {
        Self {
            calls: vec![approval_call(call, planned)],
            requested_by: call.caller.to_string(),
            at: call.now,
            fresh: call.fresh,
            needs: roles.iter().map(|name| role(name)).collect(),
            any,
            because: decision
                .policies
                .iter()
                .map(|reason| reason.words.clone())
                .collect(),
        }
    }
}

/// What an approval keeps of a call.
pub(crate) fn approval_call(call: &Call, planned: &Planned) -> ApprovalCall {
    ApprovalCall {
        tool: call.tool.name.to_owned(),
        digest: planned.digest.clone(),
        summary: planned.summary(call),
        used: false,
    }
}

/// The granted, unexpired, unused yes that covers exactly this call by this caller.
pub(crate) fn granted(records: &Records, call: &Call, planned: &Planned) -> Option<Use> {
    let by = call.caller.to_string();
    let mut live = records
        .approvals
        .values()
        .filter(|approval| approval.requested_by == by && is_live(approval, call.now));
    live.find_map(|approval| {
        let (index, next) = next_call(approval)?;
        (next.digest == planned.digest).then(|| Use {
            approval: approval.id.clone(),
            call: index,
            yes: approval
                .yes
                .iter()
                .map(|yes| yes.role.as_str().to_owned())
                .collect(),
        })
    })
}

fn is_live(approval: &Approval, now: Time) -> bool {
    let until = approval.decided_at.map(|at| at + approval.valid_for);
    approval.state == ApprovalState::Granted && until.is_some_and(|until| now < until)
}

/// Calls are made in order.
fn next_call(approval: &Approval) -> Option<(usize, &ApprovalCall)> {
    approval
        .calls
        .iter()
        .enumerate()
        .find(|(_, call)| !call.used)
}

/// Marks a yes as used, in the same transaction as the call that used it.
pub(crate) fn use_up(changed: &mut Records, records: &Records, used: &Use) {
    let Some(mut approval) = records.approvals.get(&used.approval).cloned() else {
        return;
    };
    if let Some(call) = approval.calls.get_mut(used.call) {
        call.used = true;
    }
    if approval.calls.iter().all(|call| call.used) {
        approval.state = ApprovalState::Used;
    }
    changed.approvals.insert(approval.id.clone(), approval);
}

/// Ends what was not decided or not used in time, unless it is being changed anyhow.
pub(crate) fn expire(records: &Records, changed: &mut Records, now: Time) {
    let late = |approval: &Approval| match approval.state {
        ApprovalState::Waiting => approval.expires_at <= now,
        ApprovalState::Granted => !is_live(approval, now),
        ApprovalState::Rejected | ApprovalState::Used | ApprovalState::Expired => false,
    };
    for approval in records.approvals.values().filter(|approval| late(approval)) {
        if changed.approvals.contains_key(&approval.id) {
            continue;
        }
        let mut ended = approval.clone();
        ended.state = ApprovalState::Expired;
        changed.approvals.insert(ended.id.clone(), ended);
        let proposal = approval
            .proposal
            .as_ref()
            .and_then(|id| records.proposals.get(id));
        let open = |state| matches!(state, ProposalState::Waiting | ProposalState::Approved);
        if let Some(proposal) = proposal.filter(|proposal| {
            open(proposal.state) && !changed.proposals.contains_key(&proposal.id)
        }) {
            let mut ended = proposal.clone();
            ended.state = ProposalState::Expired;
            changed.proposals.insert(ended.id.clone(), ended);
        }
    }
}

impl Gate {
    /// The approval that a held call waits for: one that waits already, or a new one. With a note
    /// when a yes was given but no longer fits.
    pub(crate) fn hold(&self, state: &State, held: Held) -> Result<(Approval, String), String> {
        let digest = held
            .calls
            .first()
            .map(|call| call.digest.clone())
            .unwrap_or_default();
        let mine = || {
            state
                .records
                .approvals
                .values()
                .filter(|approval| approval.requested_by == held.requested_by)
        };
        let next_is = |approval: &&Approval| {
            next_call(approval).is_some_and(|(_, call)| call.digest == digest)
        };
        let waits = |approval: &&Approval| {
            approval.state == ApprovalState::Waiting && held.at < approval.expires_at
        };
        if let Some(approval) = mine().filter(waits).find(next_is) {
            return Ok((approval.clone(), String::new()));
        }
        let tool = held
            .calls
            .first()
            .map(|call| call.tool.clone())
            .unwrap_or_default();
        let stale = mine()
            .filter(|approval| is_live(approval, held.at))
            .find(|approval| {
                approval
                    .calls
                    .iter()
                    .any(|call| !call.used && call.tool == tool)
            });
        let note = stale.map_or_else(String::new, |approval| {
            let later = approval.calls.iter().any(|call| call.digest == digest);
            stale_words(approval, later)
        });
        Ok((self.ask(state, held, None)?, note))
    }

    /// A new request for a yes.
    fn ask(
        &self,
        state: &State,
        held: Held,
        proposal: Option<ostler_core::id::ProposalId>,
    ) -> Result<Approval, String> {
        let waiting = state
            .records
            .approvals
            .values()
            .filter(|approval| approval.state == ApprovalState::Waiting);
        let (mine, mut all) = (held.requested_by.as_str(), 0);
        let mut own = 0;
        for approval in waiting {
            all += 1;
            own += usize::from(approval.requested_by == mine);
        }
        if own >= self.limits.waiting_per_requester {
            return Err(format!(
                "{own} requests of {mine} wait for a person already; they must be answered or end first"
            ));
        }
        if all >= self.limits.waiting_approvals {
            let limit = self.limits.waiting_approvals;
            return Err(format!(
                "{limit} requests wait for a person already; answer some of them first"
            ));
        }
        let id = ApprovalId::new(format!("apr_{:016x}", held.fresh))
            .map_err(|error| error.to_string())?;
        Ok(Approval {
            id,
            calls: held.calls,
            requested_by: held.requested_by,
            requested_at: held.at,
            expires_at: held.at + self.limits.approval_waits,
            valid_for: self.limits.approval_lasts,
            needs: held.needs,
            any: held.any,
            yes: Vec::new(),
            because: held.because,
            state: ApprovalState::Waiting,
            decided_by: None,
            decided_at: None,
            reason: None,
            proposal,
        })
    }

    /// One request for all calls of a proposal.
    pub(crate) fn ask_for_proposal(
        &self,
        state: &State,
        call: &Call,
        proposal: &ostler_core::id::ProposalId,
        asked: crate::proposal::Asked,
    ) -> Result<Approval, String> {
        let held = Held {
            calls: asked.calls,
            requested_by: call.caller.to_string(),
            at: call.now,
            fresh: call.fresh,
            needs: asked.needs,
            any: asked.any,
            because: asked.because,
        };
        self.ask(state, held, Some(proposal.clone()))
    }
}

/// Why a yes that was given does not cover a call.
fn stale_words(approval: &Approval, later: bool) -> String {
    let id = &approval.id;
    if later {
        return format!(
            "{id} covers this call only after the calls before it were made, in order. "
        );
    }
    format!(
        "the world moved since {id} was granted: this call's arguments, what it would change, the services it \
         touches or the policies are no longer those that were approved. "
    )
}

/// A person's answer. Whatever policy says, never an agent's and never the requester's own.
pub(crate) fn decide(
    call: &Call,
    state: &State,
    writing: &mut Writing,
    id: &ApprovalId,
    yes: bool,
    reason: &str,
) -> Result<answer::Decision, String> {
    let approval = state
        .records
        .approvals
        .get(id)
        .ok_or_else(|| format!("there is no approval `{id}`"))?;
    let mut approval = approval.clone();
    let role = may_answer(call, &approval)?;
    if !yes && reason.trim().is_empty() {
        return Err("`reason` is empty; a no needs a reason".to_owned());
    }
    let by = call.caller.to_string();
    if yes {
        approval.yes.extend(role.into_iter().map(|role| Yes {
            by: by.clone(),
            role,
        }));
    }
    let said: BTreeSet<Role> = approval.yes.iter().map(|yes| yes.role).collect();
    let enough = if approval.any {
        !said.is_empty()
    } else {
        approval.needs.iter().all(|role| said.contains(role))
    };
    if !yes || enough {
        approval.state = if yes {
            ApprovalState::Granted
        } else {
            ApprovalState::Rejected
        };
        let everybody = approval
            .yes
            .iter()
            .map(|yes| yes.by.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(", ");
        approval.decided_by = Some(if yes { everybody } else { by });
        approval.decided_at = Some(call.now);
        approval.reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        crate::proposal::answered(call, state, writing, &approval, reason);
    }
    let decision = answer::Decision {
        approval: id.clone(),
        state: approval.state,
        proposal: approval.proposal.clone(),
    };
    writing.records.approvals.insert(id.clone(), approval);
    Ok(decision)
}

/// Why a request takes no answer any more.
fn over(approval: &Approval, now: Time) -> Option<&'static str> {
    match approval.state {
        ApprovalState::Waiting if approval.expires_at <= now => {
            Some("expired before anybody answered; the call must be made again")
        }
        ApprovalState::Waiting => None,
        ApprovalState::Granted => Some("is granted already"),
        ApprovalState::Rejected => Some("was rejected; the call must be made again"),
        ApprovalState::Used => Some("was granted and is used up; the call must be made again"),
        ApprovalState::Expired => Some("has expired; the call must be made again"),
    }
}

/// As which of the needed roles the caller may answer; one person counts once.
fn may_answer(call: &Call, approval: &Approval) -> Result<Vec<Role>, String> {
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
    if let Some(over) = over(approval, call.now) {
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
