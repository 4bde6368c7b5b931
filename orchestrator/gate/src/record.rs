//! Paperwork: what each move of a record does.

use ostler_core::{
    id::ApprovalId,
    incident::{CauseKind, Correction, Incident, IncidentState},
    proposal::ProposalState,
    time::Time,
};
use ostler_tools::{
    answer::{AuditKeyRotated, IncidentTouched, ProposalTouched, TokenMade},
    principal::{Principal, Role},
    record::{Approval, ApprovalCall, RecordChange, Records, Token},
};
use serde_json::Value;

use crate::{
    answers::value,
    approval::end_with,
    decide::Said,
    door::Gate,
    ledger::Writing,
    plan::{Call, State},
    ports::RecordKind,
    proposal::{find, note},
};

/// What a move of a record came to.
pub(crate) struct Recorded {
    pub(crate) value: Value,
    pub(crate) approval: Option<ApprovalId>,
    /// What the log should say of it.
    pub(crate) words: Option<String>,
}

/// A move that was refused, with the records that end by that.
pub(crate) struct Declined {
    pub(crate) words: String,
    pub(crate) records: Records,
}

impl From<String> for Declined {
    fn from(words: String) -> Self {
        Self {
            words,
            records: Records::default(),
        }
    }
}

impl Gate {
    /// Works out a move of a record; the refusal is in words.
    pub(crate) async fn record(
        &self,
        call: &Call,
        state: &State,
        writing: &mut Writing,
        change: RecordChange,
    ) -> Result<Recorded, Declined> {
        let (mut approval, mut words) = (None, None);
        let value = match change {
            RecordChange::SubmitProposal {
                proposal,
                incident,
                body,
            } => {
                let touched = self
                    .submit(call, state, writing, (proposal, incident, *body))
                    .await?;
                approval.clone_from(&touched.approval);
                words = Some(touched.words.clone());
                value(&touched)
            }
            RecordChange::Decide {
                approval: id,
                yes,
                reason,
                another,
            } => {
                approval = Some(id.clone());
                words = state.records.approvals.get(&id).map(|of| about(of, yes));
                let said = Said {
                    yes,
                    reason: &reason,
                    another,
                };
                value(&self.answer(call, state, writing, &id, &said)?)
            }
            RecordChange::RotateAuditKey => {
                let (rotated, said) = self.rotate_key(writing)?;
                words = Some(said);
                value(&rotated)
            }
            other => simple(call, state, writing, other),
        }?;
        Ok(Recorded {
            value,
            approval,
            words,
        })
    }
}

impl Gate {
    /// Another key signs the log from the commit on that takes this in.
    fn rotate_key(&self, writing: &mut Writing) -> Result<(AuditKeyRotated, String), String> {
        let signer = self.keys.next_signer().map_err(|error| in_words(&error))?;
        let rotated = AuditKeyRotated {
            public_key: signer.public_key(),
            previous: self.keys.signer().public_key(),
        };
        let words = format!(
            "the audit log is signed by {} from here on; {} signed it until now",
            rotated.public_key, rotated.previous
        );
        writing.signer = Some(signer);
        Ok((rotated, words))
    }
}

/// An error with what led to it.
fn in_words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What an answer was to, with the digests that a yes is bound to.
fn about(approval: &Approval, yes: bool) -> String {
    let call = |call: &ApprovalCall| format!("{} [{}]", call.summary, call.digest);
    let calls: Vec<String> = approval.calls.iter().map(call).collect();
    let said = if yes { "yes" } else { "no" };
    format!("{said} to {}: {}", approval.requested_by, calls.join("; "))
}

fn open_incident(
    call: &Call,
    state: &State,
    writing: &mut Writing,
    mut incident: Incident,
) -> Result<Value, String> {
    incident.opened_by = call.caller.to_string();
    incident.opened_at = call.now;
    if state.records.incidents.contains_key(&incident.id) {
        return Err(format!("there is an incident `{}` already", incident.id));
    }
    keep(writing, incident)
}

/// Writes an incident as it stands now.
fn keep(writing: &mut Writing, incident: Incident) -> Result<Value, String> {
    let touched = IncidentTouched {
        incident: incident.id.clone(),
        state: incident.state,
    };
    let kept = &mut writing.records.incidents;
    kept.insert(incident.id.clone(), incident);
    value(&touched)
}

/// A person's word on the cause is kept with the incident, and stands on its timeline.
fn correct(
    call: &Call,
    writing: &mut Writing,
    mut incident: Incident,
    (cause, words): (Option<CauseKind>, String),
) -> Result<Value, String> {
    let believed = incident.cause.as_ref().map(|cause| cause.kind);
    let wrong =
        believed.ok_or_else(|| format!("incident `{}` believes in no cause", incident.id))?;
    note(
        &mut incident,
        call,
        format!("the cause was not it: {words}"),
    );
    incident.correction = Some(Correction {
        by: call.caller.to_string(),
        at: call.now,
        wrong,
        cause,
        words,
    });
    keep(writing, incident)
}

fn create_token(
    call: &Call,
    writing: &mut Writing,
    name: String,
    roles: Vec<Role>,
    expires: Time,
) -> Result<Value, String> {
    let (secret, hash) = crate::token::make(&name);
    let token = Token {
        name: name.clone(),
        roles,
        hash,
        created_at: call.now,
        expires_at: expires,
    };
    writing.records.tokens.insert(name.clone(), token);
    value(&TokenMade {
        name,
        token: Some(secret.to_string()),
        expires_at: expires,
    })
}

fn simple(
    call: &Call,
    state: &State,
    writing: &mut Writing,
    change: RecordChange,
) -> Result<Value, String> {
    match change {
        RecordChange::OpenIncident { incident } => open_incident(call, state, writing, *incident),
        RecordChange::NoteIncident {
            incident,
            note: what,
            cause,
            state: moved,
            shadow,
        } => {
            let mut incident = find(state, &incident)?.clone();
            note(&mut incident, call, what);
            if let (Some(shadow), Some(entry)) = (shadow, incident.timeline.last_mut()) {
                entry.shadow = Some(shadow);
            }
            incident.cause = cause.map(|cause| *cause).or(incident.cause);
            incident.state = moved.unwrap_or(incident.state);
            let over = matches!(
                incident.state,
                IncidentState::Resolved | IncidentState::Closed
            );
            incident.closed_at = over.then(|| incident.closed_at.unwrap_or(call.now));
            if over {
                crate::proposal::close(state, writing, &incident);
            }
            keep(writing, incident)
        }
        RecordChange::CorrectIncident {
            incident,
            cause,
            reason,
        } => correct(
            call,
            writing,
            find(state, &incident)?.clone(),
            (cause, reason),
        ),
        RecordChange::AdvanceProposal {
            proposal,
            state: to,
            done,
            outcome,
        } => advance(call, state, writing, (proposal, to, done, outcome)),
        RecordChange::CreateToken {
            name,
            roles,
            expires,
        } => create_token(call, writing, name, roles, expires),
        RecordChange::RevokeToken { name } => {
            let token = state
                .records
                .tokens
                .get(&name)
                .ok_or_else(|| format!("there is no token `{name}`"))?;
            writing.removed.push((RecordKind::Token, name.clone()));
            value(&TokenMade {
                name,
                token: None,
                expires_at: token.expires_at,
            })
        }
        RecordChange::SubmitProposal { .. }
        | RecordChange::Decide { .. }
        | RecordChange::RotateAuditKey => Err("this move is not simple".to_owned()),
    }
}

fn advance(
    call: &Call,
    state: &State,
    writing: &mut Writing,
    (id, to, done, outcome): (
        ostler_core::id::ProposalId,
        ProposalState,
        u32,
        Option<String>,
    ),
) -> Result<Value, String> {
    use ProposalState::{Acting, Approved};
    let proposal = state
        .records
        .proposals
        .get(&id)
        .ok_or_else(|| format!("there is no proposal `{id}`"))?;
    let mut proposal = proposal.clone();
    if proposal.by != call.caller.to_string() && call.caller != Principal::System {
        return Err(format!(
            "proposal `{id}` is {}'s; only they move it on",
            proposal.by
        ));
    }
    // A yes comes from a person only, never from the author's own pen.
    if matches!(to, ProposalState::Approved | ProposalState::Rejected) && proposal.state != to {
        return Err(format!(
            "proposal `{id}` is approved or rejected by a person only"
        ));
    }
    if proposal.state == ProposalState::Waiting && to != ProposalState::Expired {
        return Err(format!("proposal `{id}` waits for a person"));
    }
    proposal.state = to;
    proposal.done = done;
    if !matches!(to, Approved | Acting) {
        end_with(state, writing, &id);
    }
    if let Some(outcome) = outcome {
        if let Some(mut incident) = state.records.incidents.get(&proposal.incident).cloned() {
            note(&mut incident, call, outcome.clone());
            writing
                .records
                .incidents
                .insert(incident.id.clone(), incident);
        }
        proposal.outcome = Some(outcome);
    }
    let approval = proposal.approval.clone();
    writing.records.proposals.insert(id.clone(), proposal);
    value(&ProposalTouched {
        proposal: id,
        state: to,
        approval,
        words: String::new(),
    })
}
