//! Leases: one agent at a time works on a service.
//!
//! The agent whose proposal is open, carried out or verified holds a lease on the services that the
//! proposal changes, for a bounded time. It is read off the proposals, kept nowhere else, and so
//! survives whatever they survive. An agent of higher priority takes it over; people are never held
//! up, only told.

use std::collections::BTreeSet;

use ostler_core::{
    id::{IncidentId, ProposalId, ServiceKey},
    incident::{Incident, IncidentState},
    proposal::{Proposal, ProposalState, Verify},
    time::{Span, Time},
};
use ostler_tools::{principal::Principal, proposals::LEASED, record::Records};

use crate::{
    door::Gate,
    ledger::Writing,
    plan::{Call, State},
    proposal::note,
};

/// Longest time of a lease for watching the effect.
const WATCHING: Span = Span::minutes(60);

/// A lease as it stands.
struct Lease<'s> {
    service: &'s ServiceKey,
    proposal: &'s Proposal,
    until: Time,
}

/// The leases on some services that others than `by` hold.
fn of_others<'s>(
    records: &'s Records,
    services: &'s BTreeSet<ServiceKey>,
    by: &'s str,
    now: Time,
) -> impl Iterator<Item = Lease<'s>> {
    let open = records
        .proposals
        .values()
        .filter(move |proposal| proposal.by != by && proposal.by.starts_with("agent:"));
    open.filter_map(move |proposal| {
        let until = proposal.leased_until(now)?;
        let service = services.intersection(&proposal.services).next()?;
        Some(Lease {
            service,
            proposal,
            until,
        })
    })
}

impl Gate {
    /// When the lease of a proposal made now ends at the latest.
    pub(crate) fn lease_until(&self, now: Time, verify: &Verify) -> Time {
        let watching = Span(
            verify
                .within
                .0
                .saturating_add(verify.hold.0)
                .min(WATCHING.0),
        );
        now + self.limits.approval_waits + self.limits.approval_lasts + watching
    }

    fn priority(&self, by: &str) -> u32 {
        let name = by.strip_prefix("agent:").unwrap_or_default();
        self.priorities.get(name).copied().unwrap_or(0)
    }

    /// Whether an agent may work on services: the proposals it would take them over from, or who
    /// holds them until when. People, their assistants and the core pass.
    pub(crate) fn contend(
        &self,
        call: &Call,
        records: &Records,
        services: &BTreeSet<ServiceKey>,
    ) -> Result<Vec<ProposalId>, String> {
        let mut losers = Vec::new();
        if !matches!(call.caller, Principal::Agent { .. }) {
            return Ok(losers);
        }
        let me = call.caller.to_string();
        let mine = self.priority(&me);
        for lease in of_others(records, services, &me, call.now) {
            let Proposal { id, by, .. } = lease.proposal;
            let theirs = self.priority(by);
            if mine <= theirs {
                let left = lease.until.since(call.now);
                return Err(format!(
                    "`{}` {LEASED} {by} for its proposal `{id}`, for another {left} at most; its priority is {theirs}, \
                     yours {mine}. Wait until that proposal is over",
                    lease.service
                ));
            }
            losers.push(id.clone());
        }
        Ok(losers)
    }

    /// Ends the proposals of those who lose their lease, and tells their incidents. What was carried
    /// out of them stands, and is named.
    pub(crate) fn take_over(
        &self,
        call: &Call,
        state: &State,
        writing: &mut Writing,
        losers: &[ProposalId],
    ) -> Option<String> {
        let mut told = Vec::new();
        for loser in losers
            .iter()
            .filter_map(|id| state.records.proposals.get(id))
        {
            crate::approval::end_with(state, writing, &loser.id);
            let mut ended = loser.clone();
            let begun = matches!(
                loser.state,
                ProposalState::Acting | ProposalState::Verifying
            );
            ended.state = match begun {
                true => ProposalState::Failed,
                false => ProposalState::Expired,
            };
            let words = self.withdrawn(call, loser, begun);
            ended.outcome = Some(words.clone());
            writing.records.proposals.insert(ended.id.clone(), ended);
            if let Some(mut incident) = incident(state, writing, &loser.incident) {
                note(&mut incident, call, words);
                if incident.state == IncidentState::Proposed {
                    incident.state = IncidentState::Open;
                }
                let kept = &mut writing.records.incidents;
                kept.insert(incident.id.clone(), incident);
            }
            told.push(format!("{} (`{}`)", loser.by, loser.id));
        }
        (!told.is_empty()).then(|| format!("takes the lease over from {}", told.join(", ")))
    }

    fn withdrawn(&self, call: &Call, loser: &Proposal, begun: bool) -> String {
        let by = call.caller.to_string();
        let (mine, theirs) = (self.priority(&by), self.priority(&loser.by));
        let stands = match begun {
            true => format!(
                "; what was carried out of it stands: {} of {} calls are on record",
                loser.done,
                loser.body.calls.len()
            ),
            false => String::new(),
        };
        format!(
            "withdrawn: {by} (priority {mine}) takes the lease over from {} (priority {theirs}){stands}",
            loser.by
        )
    }

    /// What a person is told who changes what an agent works on; the agent's incident is told too.
    pub(crate) fn tell_holders(
        &self,
        call: &Call,
        state: &State,
        writing: &mut Writing,
        (services, what): (&BTreeSet<ServiceKey>, &str),
    ) -> Vec<String> {
        let mut told = Vec::new();
        if !matches!(
            call.caller,
            Principal::User { .. } | Principal::Assistant { .. }
        ) {
            return told;
        }
        for lease in of_others(&state.records, services, "", call.now) {
            let Proposal { id, by, .. } = lease.proposal;
            told.push(format!(
                "{by} works on `{}` for its proposal `{id}`, which rests on how things were before this change",
                lease.service
            ));
            if let Some(mut incident) = incident(state, writing, &lease.proposal.incident) {
                let words = format!("{what}, while proposal `{id}` was open");
                note(&mut incident, call, words);
                let kept = &mut writing.records.incidents;
                kept.insert(incident.id.clone(), incident);
            }
        }
        told
    }
}

/// An incident with what this commit does to it already.
pub(crate) fn incident(state: &State, writing: &Writing, id: &IncidentId) -> Option<Incident> {
    let changed = writing.records.incidents.get(id);
    changed.or_else(|| state.records.incidents.get(id)).cloned()
}
