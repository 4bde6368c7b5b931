//! Proposals: every call judged in order on a fork of the intent, one request for a yes for all.

use std::{collections::BTreeSet, sync::Arc};

use ostler_core::{
    autonomy::Standing,
    id::{IncidentId, ProposalId, ServiceKey},
    incident::{Entry, Incident, IncidentState, TIMELINE_LIMIT},
    proposal::{Proposal, ProposalBody, ProposalState, ProposedCall},
};
use ostler_policies::Verdict;
use ostler_tools::{
    answer::ProposalTouched,
    base::Base,
    catalogue,
    principal::Principal,
    principal::Role,
    record::{Approval, ApprovalCall, ApprovalState},
    twin,
};
use serde_json::Value;

use crate::{
    approval::{Room, approval_call},
    decide::Said,
    door::Gate,
    facts::role,
    ledger::Writing,
    plan::{Call, Deed, State},
};

/// What a proposal's calls need together.
pub(crate) struct Asked {
    pub(crate) calls: Vec<ApprovalCall>,
    pub(crate) needs: Vec<Role>,
    pub(crate) any: bool,
    pub(crate) because: Vec<String>,
    /// How everything stood, before any of the calls, that one of them touches.
    pub(crate) base: Base,
    /// Services that the calls change.
    pub(crate) services: BTreeSet<ServiceKey>,
}

impl Asked {
    /// Adds what one call needs: one person who satisfies both, or else everybody named.
    fn add(&mut self, roles: &[String], any: bool, because: impl Iterator<Item = String>) {
        let roles: Vec<Role> = roles.iter().map(|name| role(name)).collect();
        let first = self.needs.is_empty();
        let both: Vec<Role> = self
            .needs
            .iter()
            .filter(|role| roles.contains(role))
            .copied()
            .collect();
        if first {
            (self.needs, self.any) = (roles, any);
        } else if self.any && any && !both.is_empty() {
            self.needs = both;
        } else {
            self.needs.extend(roles);
            self.needs.sort_unstable();
            self.needs.dedup();
            self.any = false;
        }
        self.because.extend(because);
        self.because.sort_unstable();
        self.because.dedup();
    }
}

impl Gate {
    /// Takes a proposal in: refused in words when a call cannot be made or is denied.
    pub(crate) async fn submit(
        &self,
        call: &Call,
        state: &State,
        writing: &mut Writing,
        (id, incident, body): (ProposalId, IncidentId, ProposalBody),
    ) -> Result<ProposalTouched, String> {
        self.recent.check(&body.cause)?;
        let asked = self.judge_all(call, state, &body.calls).await?;
        find(state, &incident)?;
        self.room_for_proposal(state, &incident)?;
        let services = asked.services.clone();
        let losers = self.contend(call, &state.records, &services)?;
        let taken = self.take_over(call, state, writing, &losers);
        let mut incident = crate::lease::incident(state, writing, &incident)
            .ok_or_else(|| format!("there is no incident `{incident}`"))?;
        let mut words = "policy lets these calls be made at once".to_owned();
        let mut approval = None;
        if !asked.needs.is_empty() {
            words = asked.because.join("; ");
            words.extend(self.not_alone(call, state));
            let made = self.ask_for_proposal(state, call, &id, asked)?;
            approval = Some(made.id.clone());
            writing.records.approvals.insert(made.id.clone(), made);
        }
        if let Some(taken) = &taken {
            words = format!("{taken}; {words}");
            note(&mut incident, call, taken.clone());
        }
        let waits = approval.is_some();
        let proposal = Proposal {
            id: id.clone(),
            incident: incident.id.clone(),
            by: call.caller.to_string(),
            at: call.now,
            state: if waits {
                ProposalState::Waiting
            } else {
                ProposalState::Approved
            },
            lease_until: Some(self.lease_until(call.now, &body.verify)),
            another: None,
            services,
            body,
            approval: approval.clone(),
            done: 0,
            outcome: None,
        };
        note(
            &mut incident,
            call,
            format!("proposes: {}", proposal.body.title),
        );
        note(
            &mut incident,
            call,
            self.tried(call, state, &proposal.body.calls),
        );
        incident.state = IncidentState::Proposed;
        incident.cause = Some(proposal.body.cause.clone());
        incident.proposals.push(id.clone());
        let touched = ProposalTouched {
            proposal: id.clone(),
            state: proposal.state,
            approval,
            words,
        };
        writing
            .records
            .incidents
            .insert(incident.id.clone(), incident);
        writing.records.proposals.insert(id, proposal);
        Ok(touched)
    }

    /// What calls would lead to as things stand, in words for an incident's timeline.
    pub(crate) fn tried(&self, call: &Call, state: &State, calls: &[ProposedCall]) -> String {
        let told = self.viewing(call, state, |view| twin::foretell(view, calls));
        let revision = told.revision;
        format!("tried on a fork of revision {revision}: {}", told.words)
    }

    /// Why an agent that a person promoted must ask all the same, where its standing is why.
    fn not_alone(&self, call: &Call, state: &State) -> Option<String> {
        let Principal::Agent { name } = &call.caller else {
            return None;
        };
        state.intent.promoted_agents.get(name)?;
        let (standing, _) = self.viewing(call, state, |view| view.standing_of(name));
        (standing != Standing::Alone).then(|| format!("; {name} {}", standing.in_words()))
    }

    fn room_for_proposal(&self, state: &State, incident: &IncidentId) -> Result<(), String> {
        use ProposalState::{Acting, Approved, Verifying, Waiting};
        let is_open = |proposal: &&Proposal| {
            proposal.incident == *incident
                && matches!(proposal.state, Waiting | Approved | Acting | Verifying)
        };
        let open = state.records.proposals.values().filter(is_open).count();
        if open >= self.limits.open_proposals {
            return Err(format!(
                "incident `{incident}` has {open} open proposals already; end some of them first"
            ));
        }
        let of_it = |proposal: &&Proposal| proposal.incident == *incident;
        let all = state.records.proposals.values().filter(of_it).count();
        if all >= self.limits.proposals {
            return Err(format!(
                "{all} proposals were made for incident `{incident}`; a person must look at it"
            ));
        }
        Ok(())
    }

    async fn judge_all(
        &self,
        call: &Call,
        state: &State,
        proposed: &[ProposedCall],
    ) -> Result<Asked, String> {
        let mut fork = state.clone();
        let mut room = Room::default();
        let mut asked = Asked {
            calls: Vec::new(),
            needs: Vec::new(),
            any: true,
            because: Vec::new(),
            base: Base::default(),
            services: BTreeSet::new(),
        };
        for (number, proposed) in (1_u64..).zip(proposed) {
            let at = |words: String| format!("call {number} (`{}`): {words}", proposed.tool);
            let tool = self
                .catalogue
                .iter()
                .find(|tool| tool.name == proposed.tool && tool.may_be_proposed());
            let tool = tool.ok_or_else(|| at(catalogue::proposable()))?;
            let part = Call {
                id: call.id.clone(),
                caller: call.caller.clone(),
                tool,
                args: Value::Object(proposed.arguments.clone()),
                now: call.now,
                fresh: call.fresh.wrapping_add(number),
                still: None,
            };
            let planned = self.plan(&part, &fork).await.map_err(at)?;
            let decision = planned.engine.decide(&planned.request);
            match &decision.verdict {
                Verdict::Allow => {}
                Verdict::Deny => {
                    return Err(at(planned.engine.explain(&planned.request, &decision)));
                }
                Verdict::NeedsApproval { roles, any } => {
                    asked.add(
                        roles,
                        *any,
                        decision.policies.iter().map(|reason| reason.words.clone()),
                    );
                }
            }
            let shown = approval_call(&self.keys, &part, &planned, &mut room);
            asked.calls.push(shown);
            asked
                .services
                .extend(planned.about.services.iter().cloned());
            asked.base.absorb(crate::base::again(
                &planned.base,
                &planned.base.policies,
                &state.intent,
            ));
            let Deed::Change(moved) = planned.deed else {
                return Err(at("it would change nothing".to_owned()));
            };
            fork.intent = Arc::new(moved.applied.intent);
        }
        Ok(asked)
    }
}

/// Moves a proposal with the answer to its request, and tells its incident: the reason, and what
/// its calls would lead to now.
pub(crate) fn answered(
    call: &Call,
    state: &State,
    writing: &mut Writing,
    approval: &Approval,
    (said, tried): (&Said<'_>, Option<String>),
) {
    let proposal = approval
        .proposal
        .as_ref()
        .and_then(|id| state.records.proposals.get(id));
    let Some(mut proposal) = proposal.cloned() else {
        return;
    };
    let granted = approval.state == ApprovalState::Granted;
    proposal.another = (said.another && !granted).then(|| said.reason.to_owned());
    proposal.state = if granted {
        ProposalState::Approved
    } else {
        ProposalState::Rejected
    };
    if let Some(mut incident) = state.records.incidents.get(&proposal.incident).cloned() {
        if let Some(tried) = tried {
            note(&mut incident, call, tried);
        }
        let verb = match (granted, said.another) {
            (true, _) => "approved",
            (false, false) => "rejected",
            (false, true) => "asked for another plan than",
        };
        let because = match said.reason {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        note(
            &mut incident,
            call,
            format!("{verb} \u{201c}{}\u{201d}{because}", proposal.body.title),
        );
        if !granted && incident.state == IncidentState::Proposed {
            incident.state = match said.another {
                true => IncidentState::Open,
                false => IncidentState::NeedsPerson,
            };
        }
        writing
            .records
            .incidents
            .insert(incident.id.clone(), incident);
    }
    writing
        .records
        .proposals
        .insert(proposal.id.clone(), proposal);
}

/// The request's world moved before anybody answered: its proposal is over, and its incident told.
pub(crate) fn overtaken(call: &Call, state: &State, writing: &mut Writing, approval: &Approval) {
    let proposal = approval
        .proposal
        .as_ref()
        .and_then(|id| state.records.proposals.get(id));
    let Some(mut proposal) = proposal.cloned() else {
        return;
    };
    proposal.state = ProposalState::Expired;
    if let Some(mut incident) = state.records.incidents.get(&proposal.incident).cloned() {
        let title = &proposal.body.title;
        let words = format!("\u{201c}{title}\u{201d} was not approved: the world moved meanwhile");
        note(&mut incident, call, words);
        writing
            .records
            .incidents
            .insert(incident.id.clone(), incident);
    }
    writing
        .records
        .proposals
        .insert(proposal.id.clone(), proposal);
}

/// An incident is over: nobody is asked about its proposals any more, and no yes to them is left.
pub(crate) fn close(state: &State, writing: &mut Writing, incident: &Incident) {
    let of_it = |proposal: &&Proposal| proposal.incident == incident.id;
    for proposal in state.records.proposals.values().filter(of_it) {
        crate::approval::end_with(state, writing, &proposal.id);
        if matches!(
            proposal.state,
            ProposalState::Waiting | ProposalState::Approved
        ) {
            let mut ended = proposal.clone();
            ended.state = ProposalState::Expired;
            writing.records.proposals.insert(ended.id.clone(), ended);
        }
    }
}

/// An incident by its id.
pub(crate) fn find<'s>(state: &'s State, id: &IncidentId) -> Result<&'s Incident, String> {
    state
        .records
        .incidents
        .get(id)
        .ok_or_else(|| format!("there is no incident `{id}`"))
}

/// Adds to an incident's timeline, unless the same author just wrote the same words; beyond the
/// limit the oldest after the first goes.
pub(crate) fn note(incident: &mut Incident, call: &Call, what: String) {
    let what: String = what
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(500)
        .collect();
    let by = call.caller.to_string();
    let repeats = |last: &Entry| last.by == by && last.what == what;
    if incident.timeline.last().is_some_and(repeats) {
        return;
    }
    if incident.timeline.len() >= TIMELINE_LIMIT {
        incident.timeline.remove(1);
    }
    let at = call.now;
    incident.timeline.push(Entry {
        at,
        by,
        what,
        shadow: None,
    });
}
