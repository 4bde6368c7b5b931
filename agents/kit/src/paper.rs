//! Paperwork of a case: opening, noting, closing. A note that fails is logged; the work goes on.

use std::collections::BTreeSet;

use ostler_core::{
    id::{IncidentId, ServiceKey},
    incident::{Cause, IncidentState},
    proposal::{ProposalBody, ProposalState},
    time::Time,
};
use ostler_tools::answer::ProposalTouched;

use crate::{
    case::Case,
    client::{CallError, Caller},
    text, world,
};

/// Most characters of an incident's or proposal's title.
const TITLE_LIMIT: usize = 200;

/// Opens an incident.
///
/// # Errors
/// As the call.
pub async fn open(
    caller: &dyn Caller,
    service: &ServiceKey,
    title: &str,
    began: Time,
    symptoms: &BTreeSet<&str>,
) -> Result<IncidentId, CallError> {
    let title = text::cut(title, TITLE_LIMIT);
    let opened = world::open_incident(caller, service, &title, began, symptoms).await?;
    tracing::info!(incident = %opened.value.incident, %service, title, "incident opened");
    Ok(opened.value.incident)
}

/// Adds a note, unless it repeats the last one without saying more.
///
/// # Errors
/// Only when the pipe is closed.
pub async fn note(
    caller: &dyn Caller,
    case: &mut Case,
    words: &str,
    cause: Option<&Cause>,
    state: Option<IncidentState>,
) -> Result<(), CallError> {
    if case.last_note == words && state.is_none() {
        return Ok(());
    }
    tracing::info!(incident = %case.incident, ?state, "{words}");
    case.last_note = words.to_owned();
    swallow(world::note_incident(caller, &case.incident, &text::claim(words), cause, state).await)
}

/// Submits a proposal with its texts cut to what is accepted.
///
/// # Errors
/// As the call.
pub async fn submit(
    caller: &dyn Caller,
    incident: &IncidentId,
    mut body: ProposalBody,
) -> Result<ProposalTouched, CallError> {
    body.title = text::cut(&body.title, TITLE_LIMIT);
    let submitted = world::submit_proposal(caller, incident, &body).await?;
    let (proposal, state) = (&submitted.value.proposal, submitted.value.state);
    tracing::info!(%incident, %proposal, ?state, title = body.title, "proposal submitted");
    Ok(submitted.value)
}

/// Says how far a proposal is.
///
/// # Errors
/// As the call: what is not recorded must not be relied on.
pub async fn advance(
    caller: &dyn Caller,
    proposal: &ostler_core::id::ProposalId,
    state: ProposalState,
    done: u32,
    outcome: Option<&str>,
) -> Result<(), CallError> {
    tracing::info!(%proposal, ?state, done, outcome, "proposal advances");
    let outcome = outcome.map(text::claim);
    world::advance_proposal(caller, proposal, state, done, outcome.as_deref()).await?;
    Ok(())
}

/// Paperwork that failed is logged; a closed pipe ends the agent.
///
/// # Errors
/// Only when the pipe is closed.
pub fn swallow<T>(result: Result<T, CallError>) -> Result<(), CallError> {
    match result {
        Ok(_) => Ok(()),
        Err(CallError::Closed) => Err(CallError::Closed),
        Err(error) => {
            tracing::warn!(%error, "paperwork was not accepted");
            Ok(())
        }
    }
}
