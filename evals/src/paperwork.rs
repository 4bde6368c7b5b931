//! What the agent writes down in a bundle's world: incidents and proposals.

use std::collections::BTreeSet;

use ostler_core::{
    id::{IncidentId, ProposalId, ServiceKey},
    incident::{Cause, Entry, IncidentState},
    proposal::{Proposal, ProposalBody, ProposalState},
    time::Time,
};
use ostler_tools::{
    answer::{IncidentTouched, ProposalTouched},
    record::RecordChange,
};

use crate::world::{Outcome, World, done};

impl World {
    pub(crate) fn record(&mut self, record: RecordChange, now: Time) -> Outcome {
        let by = self.agent.to_string();
        match record {
            RecordChange::OpenIncident { incident } => {
                let touched = IncidentTouched {
                    incident: incident.id.clone(),
                    state: incident.state,
                };
                self.records
                    .incidents
                    .insert(incident.id.clone(), *incident);
                done(&touched)
            }
            RecordChange::NoteIncident {
                incident,
                note,
                cause,
                state,
                shadow,
            } => self.note(
                incident,
                Entry {
                    at: now,
                    by,
                    what: note,
                    shadow,
                },
                cause,
                state,
            ),
            RecordChange::SubmitProposal {
                proposal,
                incident,
                body,
            } => self.submit(proposal, incident, *body, now),
            RecordChange::AdvanceProposal {
                proposal: id,
                state,
                done: made,
                outcome,
            } => {
                let Some(kept) = self.records.proposals.get_mut(&id) else {
                    return Outcome::Refused(format!("there is no proposal `{id}`"));
                };
                (kept.state, kept.done, kept.outcome) = (state, made, outcome);
                done(&ProposalTouched {
                    proposal: id,
                    state,
                    approval: None,
                    words: String::new(),
                })
            }
            _ => Outcome::Denied("an agent may not do this".to_owned()),
        }
    }

    fn note(
        &mut self,
        incident: IncidentId,
        entry: Entry,
        cause: Option<Box<Cause>>,
        state: Option<IncidentState>,
    ) -> Outcome {
        let at = entry.at;

        let Some(kept) = self.records.incidents.get_mut(&incident) else {
            return Outcome::Refused(format!("there is no incident `{incident}`"));
        };
        kept.timeline.push(entry);
        kept.cause = cause.map(|cause| *cause).or_else(|| kept.cause.take());
        kept.state = state.unwrap_or(kept.state);
        let over = matches!(kept.state, IncidentState::Resolved | IncidentState::Closed);
        kept.closed_at = over.then_some(at);
        done(&IncidentTouched {
            incident,
            state: kept.state,
        })
    }

    fn submit(
        &mut self,
        id: ProposalId,
        incident: IncidentId,
        body: ProposalBody,
        now: Time,
    ) -> Outcome {
        let state = if self.approves {
            ProposalState::Approved
        } else {
            ProposalState::Waiting
        };
        if let Some(kept) = self.records.incidents.get_mut(&incident) {
            kept.proposals.push(id.clone());
        }
        let proposal = Proposal {
            id: id.clone(),
            incident,
            by: self.agent.to_string(),
            at: now,
            state,
            services: named_in(&body),
            body,
            approval: None,
            done: 0,
            outcome: None,
            lease_until: None,
            another: None,
        };
        self.records.proposals.insert(id.clone(), proposal);
        done(&ProposalTouched {
            proposal: id,
            state,
            approval: None,
            words: String::new(),
        })
    }
}

/// The services that a proposal's calls name.
fn named_in(body: &ProposalBody) -> BTreeSet<ServiceKey> {
    let calls = body.calls.iter();
    let named = calls.filter_map(|call| call.arguments.get("service")?.as_str());
    named.filter_map(|name| name.parse().ok()).collect()
}
