//! Requests for a person's yes: asked for, used once, expired. The answer is in `decide`.

use ostler_core::{
    facts::{DiffLine, ServiceDiff},
    id::{ApprovalId, ProposalId},
    proposal::ProposalState,
    time::Time,
};
use ostler_policies::Decision;
use ostler_tools::{
    base::Base,
    principal::{Principal, Role},
    record::{Approval, ApprovalCall, ApprovalState, Records},
};

use crate::{
    digest::capped,
    door::Gate,
    facts::role,
    keys::Keys,
    ledger::Writing,
    mcp::Standing,
    permit::Use,
    plan::{Call, Deed, Planned, State},
    redact::redacted,
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
    base: Base,
}

impl Held {
    pub(crate) fn new(
        keys: &Keys,
        call: &Call,
        planned: &Planned,
        roles: &[String],
        any: bool,
        decision: &Decision,
    ) -> Self {
        Self {
            calls: vec![approval_call(keys, call, planned, &mut Room::default())],
            base: planned.base.clone(),
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

/// How much a request shows: it is kept, and many may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes of arguments of all its calls; those beyond are told apart by their hash.
    arguments: usize,
    /// Bytes of differences of all its calls; lines beyond are counted.
    lines: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            arguments: 32 << 10,
            lines: 32 << 10,
        }
    }
}

/// What an approval keeps of a call: all that the person who answers should see, and no secret.
pub(crate) fn approval_call(
    keys: &Keys,
    call: &Call,
    planned: &Planned,
    room: &mut Room,
) -> ApprovalCall {
    let arguments = capped(redacted(keys, call.tool, &call.args), room.arguments);
    let size = arguments.to_string().len();
    room.arguments = room.arguments.saturating_sub(size);
    let mut shown = ApprovalCall {
        tool: call.tool.name.to_owned(),
        digest: planned.digest.clone(),
        summary: planned.summary(call),
        used: false,
        arguments,
        diff: Vec::new(),
        beside: Vec::new(),
        omitted: 0,
    };
    if let Deed::Change(moved) = &planned.deed {
        let room = &mut room.lines;
        shown.beside = fit(&moved.facts.beside, room, &mut shown.omitted);
        for service in &moved.facts.diff {
            let lines = fit(&service.lines, room, &mut shown.omitted);
            if !lines.is_empty() {
                shown.diff.push(ServiceDiff {
                    service: service.service.clone(),
                    lines,
                });
            }
        }
    }
    shown
}

/// As many lines as there is room for; the others are counted.
fn fit(lines: &[DiffLine], room: &mut usize, omitted: &mut u64) -> Vec<DiffLine> {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let mut some = Vec::new();
    for line in lines {
        let size = line.path.len() + length(&line.from) + length(&line.to);
        match room.checked_sub(size) {
            Some(left) => {
                *room = left;
                some.push(line.clone());
            }
            None => *omitted += 1,
        }
    }
    some
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

/// Ends a proposal's request, whether it waits or was granted: a yes does not outlive what it was for.
pub(crate) fn end_with(state: &State, writing: &mut Writing, proposal: &ProposalId) {
    let open = |approval: &&Approval| {
        approval.proposal.as_ref() == Some(proposal)
            && matches!(
                approval.state,
                ApprovalState::Waiting | ApprovalState::Granted
            )
    };
    for approval in state.records.approvals.values().filter(open) {
        let mut ended = approval.clone();
        ended.state = ApprovalState::Expired;
        writing.records.approvals.insert(ended.id.clone(), ended);
    }
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
    /// How a caller's own request stands; of what others asked for nothing is said.
    #[must_use]
    pub fn standing(&self, caller: &Principal, approval: &ApprovalId) -> Standing {
        let (records, now) = (self.records(), self.clock.now());
        let by = caller.to_string();
        let mine = (records.approvals.get(approval)).filter(|of| of.requested_by == by);
        let Some(approval) = mine else {
            return Standing::Over(format!("there is no request `{approval}` of {by}"));
        };
        let id = &approval.id;
        let over = |why: String| Standing::Over(format!("`{id}` {why}; nothing was changed"));
        match approval.state {
            ApprovalState::Waiting if now < approval.expires_at => Standing::Waits {
                left: (approval.expires_at + approval.valid_for).since(now),
            },
            ApprovalState::Granted if is_live(approval, now) => Standing::Given,
            ApprovalState::Rejected => over(format!(
                "was rejected by {}: {}",
                approval.decided_by.as_deref().unwrap_or("somebody"),
                approval.reason.as_deref().unwrap_or_default()
            )),
            ApprovalState::Used => Standing::Over(format!("the yes to `{id}` is used up already")),
            ApprovalState::Waiting | ApprovalState::Granted | ApprovalState::Expired => {
                let why = approval.reason.as_deref().unwrap_or("in time");
                over(format!("was not answered, or its yes not used: {why}"))
            }
        }
    }

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
        proposal: Option<ProposalId>,
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
            base: held.base,
        })
    }

    /// One request for all calls of a proposal.
    pub(crate) fn ask_for_proposal(
        &self,
        state: &State,
        call: &Call,
        proposal: &ProposalId,
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
            base: asked.base,
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
