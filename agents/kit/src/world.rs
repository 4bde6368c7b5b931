//! Questions and answers of the catalogue, typed. The only file that knows tools' arguments.

use std::collections::BTreeSet;

use ostler_core::{
    id::{CallId, IncidentId, InstanceId, ProposalId, ServiceKey},
    incident::{Cause, IncidentState},
    proposal::{ProposalBody, ProposalState},
    shadow::Shadowed,
    signal::{SignalKind, Subject},
    time::{Span, Time},
};
use ostler_tools::answer;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    client::{CallError, Caller, Reply},
    situation::Cited,
};

type Answered<T> = Result<Cited<T>, CallError>;

/// Arguments out of a JSON object; `null` members are left out.
fn arguments(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        _ => Map::new(),
    }
}

async fn ask<T: DeserializeOwned>(caller: &dyn Caller, tool: &str, asked: Value) -> Answered<T> {
    let Reply { call, value, .. } = caller.call(tool, arguments(asked)).await?;
    let value = serde_json::from_value(value).map_err(|error| CallError::Malformed {
        tool: tool.to_owned(),
        problem: error.to_string(),
    })?;
    Ok(Cited { call, value })
}

/// The daemon at a glance, and who we are to it.
pub async fn status(caller: &dyn Caller) -> Answered<answer::Status> {
    ask(caller, "get_status", json!({})).await
}

/// Every service at a glance.
pub async fn services(caller: &dyn Caller) -> Answered<answer::Services> {
    ask(caller, "list_services", json!({})).await
}

/// One service in full.
pub async fn service(caller: &dyn Caller, service: &ServiceKey) -> Answered<answer::ServiceDetail> {
    ask(caller, "get_service", json!({ "service": service })).await
}

/// Every instance.
pub async fn instances(caller: &dyn Caller) -> Answered<answer::Instances> {
    ask(caller, "list_instances", json!({})).await
}

/// Newer versions of what runs; of one service only, if given.
pub async fn upgrades(
    caller: &dyn Caller,
    service: Option<&ServiceKey>,
) -> Answered<answer::Upgrades> {
    ask(caller, "list_upgrades", json!({ "service": service })).await
}

/// Who needs whom.
pub async fn graph(caller: &dyn Caller) -> Answered<answer::Graph> {
    ask(caller, "get_graph", json!({})).await
}

/// The last changes that touched a service, newest first.
pub async fn changes(caller: &dyn Caller, service: &ServiceKey) -> Answered<answer::Changes> {
    ask(
        caller,
        "list_changes",
        json!({ "service": service, "limit": 20 }),
    )
    .await
}

/// The end of an instance's log.
pub async fn logs(caller: &dyn Caller, instance: &InstanceId) -> Answered<answer::LogAnswer> {
    ask(
        caller,
        "read_logs",
        json!({ "instance": instance, "tail": 200 }),
    )
    .await
}

/// Some signals of one subject over the last so long.
pub async fn signals(
    caller: &dyn Caller,
    subject: &Subject,
    kinds: &[SignalKind],
    since: Span,
) -> Answered<answer::Signals> {
    finely(caller, subject, kinds, (since, 60)).await
}

/// Some signals of one subject over the last so long, in at most so many points.
pub async fn finely(
    caller: &dyn Caller,
    subject: &Subject,
    kinds: &[SignalKind],
    (since, points): (Span, u32),
) -> Answered<answer::Signals> {
    let (key, about) = match subject {
        Subject::Service(service) => ("service", json!(service)),
        Subject::Instance(instance) => ("instance", json!(instance)),
        Subject::Node(node) => ("node", json!(node)),
    };
    ask(
        caller,
        "query_signals",
        json!({ key: about, "kinds": kinds, "since": since, "points": points }),
    )
    .await
}

/// Incidents, newest first; of one service only, if given.
pub async fn incidents(
    caller: &dyn Caller,
    service: Option<&ServiceKey>,
) -> Answered<answer::Incidents> {
    ask(
        caller,
        "list_incidents",
        json!({ "service": service, "limit": 200 }),
    )
    .await
}

/// One incident in full.
pub async fn incident(
    caller: &dyn Caller,
    incident: &IncidentId,
) -> Answered<answer::IncidentDetail> {
    ask(caller, "get_incident", json!({ "incident": incident })).await
}

/// One proposal in full.
pub async fn proposal(
    caller: &dyn Caller,
    proposal: &ProposalId,
) -> Answered<answer::ProposalDetail> {
    ask(caller, "get_proposal", json!({ "proposal": proposal })).await
}

/// Opens an incident.
pub async fn open_incident(
    caller: &dyn Caller,
    service: &ServiceKey,
    title: &str,
    began_at: Time,
    symptoms: &BTreeSet<&str>,
) -> Answered<answer::IncidentTouched> {
    let asked =
        json!({ "service": service, "title": title, "began_at": began_at, "symptoms": symptoms });
    ask(caller, "open_incident", asked).await
}

/// Adds to an incident.
pub async fn note_incident(
    caller: &dyn Caller,
    incident: &IncidentId,
    note: &str,
    cause: Option<&Cause>,
    state: Option<IncidentState>,
) -> Answered<answer::IncidentTouched> {
    let asked = json!({ "incident": incident, "note": note, "cause": cause, "state": state });
    ask(caller, "note_incident", asked).await
}

/// Adds to an incident what a shadow made of the situation.
pub async fn note_shadow(
    caller: &dyn Caller,
    incident: &IncidentId,
    note: &str,
    shadow: &Shadowed,
) -> Answered<answer::IncidentTouched> {
    let asked = json!({ "incident": incident, "note": note, "shadow": shadow });
    ask(caller, "note_incident", asked).await
}

/// Submits a proposal.
pub async fn submit_proposal(
    caller: &dyn Caller,
    incident: &IncidentId,
    body: &ProposalBody,
) -> Answered<answer::ProposalTouched> {
    ask(
        caller,
        "submit_proposal",
        json!({ "incident": incident, "proposal": body }),
    )
    .await
}

/// Says how far a proposal is.
pub async fn advance_proposal(
    caller: &dyn Caller,
    proposal: &ProposalId,
    state: ProposalState,
    done: u32,
    outcome: Option<&str>,
) -> Answered<answer::ProposalTouched> {
    let asked = json!({ "proposal": proposal, "state": state, "done": done, "outcome": outcome });
    ask(caller, "advance_proposal", asked).await
}

/// Takes back a past change.
///
/// # Errors
/// As any call: held where a person must say yes.
pub async fn undo_change(caller: &dyn Caller, revision: u64) -> Result<CallId, CallError> {
    let reply = caller
        .call("undo_change", arguments(json!({ "revision": revision })))
        .await?;
    Ok(reply.call)
}
