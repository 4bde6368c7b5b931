//! Going on after a restart: the cases are read back from the incidents this agent opened.

use ostler_core::{
    id::ProposalId,
    incident::{Incident, IncidentState},
    proposal::ProposalState,
};

use crate::{
    agent::Agent,
    case::{Case, Phase},
    client::CallError,
    refused::Refused,
    world,
};

/// Open incidents that are read back at most.
const RESUME_LIMIT: usize = 32;

impl Agent {
    /// Learns its own name and takes up its open incidents.
    pub(crate) async fn resume(&mut self) -> Result<(), CallError> {
        let me = world::status(&*self.caller).await?.value.you;
        let listed = world::incidents(&*self.caller, None).await?.value.incidents;
        let open = listed.into_iter().filter(|incident| {
            matches!(
                incident.state,
                IncidentState::Open | IncidentState::Proposed | IncidentState::NeedsPerson
            )
        });
        let mut cases = Vec::new();
        for summary in open.take(RESUME_LIMIT) {
            let incident = world::incident(&*self.caller, &summary.id)
                .await?
                .value
                .incident;
            if incident.opened_by == me {
                cases.push(self.take_up(&incident, &me).await?);
            }
        }
        tracing::info!(me, cases = cases.len(), "looking after what was open");
        self.cases = cases;
        self.me = me;
        Ok(())
    }

    async fn take_up(&self, incident: &Incident, me: &str) -> Result<Case, CallError> {
        let culprit = incident
            .cause
            .as_ref()
            .map_or(&incident.service, |cause| &cause.culprit)
            .clone();
        let phase = match incident.proposals.last() {
            Some(proposal) => self.phase_of(proposal, incident, me).await?,
            None => without_proposal(incident),
        };
        let mut case = Case::new(incident.id.clone(), culprit, phase);
        case.services.insert(incident.service.clone());
        case.patient = incident.service.clone();
        case.proposals = u32::try_from(incident.proposals.len()).unwrap_or(u32::MAX);
        case.known.clone_from(&incident.symptoms);
        for proposal in &incident.proposals {
            let proposal = world::proposal(&*self.caller, proposal)
                .await?
                .value
                .proposal;
            case.refused.extend(Refused::of(&proposal));
            if proposal.by == me {
                case.patient = proposal.body.verify.service;
                case.services.insert(case.patient.clone());
            }
        }
        let last = incident.timeline.last();
        case.last_note = last.map(|entry| entry.what.clone()).unwrap_or_default();
        Ok(case)
    }

    async fn phase_of(
        &self,
        id: &ProposalId,
        incident: &Incident,
        me: &str,
    ) -> Result<Phase, CallError> {
        let now = self.parts.clock.now();
        let proposal = world::proposal(&*self.caller, id).await?.value.proposal;
        if proposal.by != me {
            return Ok(without_proposal(incident));
        }
        Ok(match proposal.state {
            ProposalState::Waiting | ProposalState::Approved | ProposalState::Acting => {
                Phase::Proposed {
                    proposal: id.clone(),
                    acting: false,
                    tries: 0,
                }
            }
            // How long it was watched is not known: the whole time begins anew.
            ProposalState::Verifying => Phase::Verifying {
                proposal: id.clone(),
                since: now,
                good_since: None,
            },
            ProposalState::Expired | ProposalState::Rejected
                if incident.state != IncidentState::NeedsPerson =>
            {
                Phase::Looking {
                    looks: 0,
                    again_at: now,
                }
            }
            _ => Phase::WithPerson,
        })
    }
}

fn without_proposal(incident: &Incident) -> Phase {
    match incident.state {
        IncidentState::NeedsPerson => Phase::WithPerson,
        _ => Phase::Looking {
            looks: 0,
            again_at: ostler_core::time::Time(0),
        },
    }
}
