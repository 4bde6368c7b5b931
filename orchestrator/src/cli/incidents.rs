//! `ostler incidents`

use clap::Args;
use comfy_table::{Cell, Color};
use ostler_core::{
    id::ServiceKey,
    incident::{Cause, Correction, IncidentState},
};
use ostler_tools::answer::{IncidentDetail, IncidentSummary, IncidentTouched, Incidents};
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, coloured, pairs, section, show, table},
    words::{ago, moment, short, untrusted, word},
};

/// Arguments of `incidents`.
#[derive(Debug, Args)]
pub struct IncidentsArgs {
    /// One incident, `inc_…`
    id: Option<String>,
    /// Only of this service
    #[arg(long)]
    service: Option<ServiceKey>,
}

/// Runs it.
pub async fn run(args: IncidentsArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| match &args.id {
        Some(id) => one(client, out, id).await,
        None => list(client, out, args.service.as_ref()).await,
    })
    .await
}

async fn list(
    client: &Client,
    out: &Out,
    service: Option<&ServiceKey>,
) -> Result<String, CliError> {
    let done = client
        .call::<Incidents>("list_incidents", json!({ "service": service }))
        .await?;
    out.render(&done.raw, |out| {
        let headers = [
            "INCIDENT", "STATE", "SERVICE", "CAUSE", "CULPRIT", "OPENED", "TITLE",
        ];
        table(
            out,
            "no incidents",
            &headers,
            done.value.incidents.iter().map(row).collect(),
        )
    })
}

fn row(incident: &IncidentSummary) -> Vec<Cell> {
    let dash = || "-".to_owned();
    vec![
        cell(&incident.id),
        coloured(word(&incident.state), colour(incident.state)),
        cell(short(&incident.service)),
        cell(incident.cause.map_or_else(dash, |cause| word(&cause))),
        cell(incident.culprit.as_ref().map_or_else(dash, short)),
        cell(format!("{} ago", ago(incident.opened_at))),
        cell(untrusted(&incident.title)),
    ]
}

const fn colour(state: IncidentState) -> Color {
    match state {
        IncidentState::Open => Color::Red,
        IncidentState::Proposed | IncidentState::NeedsPerson => Color::Yellow,
        IncidentState::Resolved => Color::Green,
        IncidentState::Closed => Color::Reset,
    }
}

/// Arguments of `correct`.
#[derive(Debug, Args)]
pub struct CorrectArgs {
    /// The incident, `inc_…`
    incident: String,
    /// Why the believed cause was not it; agents read it when the symptoms come back
    #[arg(long)]
    reason: String,
    /// What it was, such as `out_of_memory`
    #[arg(long)]
    cause: Option<String>,
}

/// Runs `correct`.
pub async fn correct(args: CorrectArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let call = json!({ "incident": args.incident, "reason": args.reason, "cause": args.cause });
    let done = client
        .call::<IncidentTouched>("correct_incident", call)
        .await?;
    let text = out.render(&done.raw, |_| {
        format!(
            "{}: kept; agents will trust that cause less",
            done.value.incident
        )
    })?;
    out.line(&text)
}

/// One incident in full.
pub async fn one(client: &Client, out: &Out, id: &str) -> Result<String, CliError> {
    let done = client
        .call::<IncidentDetail>("get_incident", json!({ "incident": id }))
        .await?;
    out.render(&done.raw, |_| text(&done.value))
}

fn correction_text(correction: &Correction) -> String {
    let cause = correction
        .cause
        .map_or_else(|| "not known".to_owned(), |cause| word(&cause));
    pairs(&[
        ("Was not", word(&correction.wrong)),
        ("But", cause),
        (
            "Says",
            format!("{}, {}", correction.by, moment(correction.at)),
        ),
        ("Because", untrusted(&correction.words)),
    ])
}

fn text(detail: &IncidentDetail) -> String {
    let incident = &detail.incident;
    let mut text = pairs(&[
        ("Incident", incident.id.to_string()),
        ("State", word(&incident.state)),
        ("Service", short(&incident.service)),
        ("Title", untrusted(&incident.title)),
        (
            "Opened",
            format!("{} by {}", moment(incident.opened_at), incident.opened_by),
        ),
        ("Began", moment(incident.began_at)),
        (
            "Closed",
            incident.closed_at.map_or_else(|| "-".to_owned(), moment),
        ),
    ]);
    if let Some(cause) = &incident.cause {
        text.push('\n');
        text.push_str(&section("Cause", &cause_text(cause)));
    }
    if let Some(correction) = &incident.correction {
        text.push('\n');
        text.push_str(&section("Correction", &correction_text(correction)));
    }
    let proposals: Vec<String> = detail
        .proposals
        .iter()
        .map(|proposal| {
            format!(
                "{} {}: {}",
                proposal.id,
                word(&proposal.state),
                untrusted(&proposal.title)
            )
        })
        .collect();
    if !proposals.is_empty() {
        text.push('\n');
        text.push_str(&section("Proposals", &proposals.join("\n")));
    }
    let entries = incident.timeline.iter().map(|entry| {
        format!(
            "{}  {}  {}",
            moment(entry.at),
            entry.by,
            untrusted(&entry.what)
        )
    });
    text.push('\n');
    text.push_str(&section(
        "Timeline",
        &entries.collect::<Vec<_>>().join("\n"),
    ));
    text
}

/// A cause with its evidence.
pub fn cause_text(cause: &Cause) -> String {
    let sure = cause.confidence * 100.0;
    let mut lines = vec![
        format!(
            "{} in {}, {sure:.0} % sure",
            word(&cause.kind),
            short(&cause.culprit)
        ),
        untrusted(&cause.explanation),
    ];
    for evidence in &cause.evidence {
        let from = if evidence.untrusted {
            " (quotes a workload)"
        } else {
            ""
        };
        lines.push(format!(
            "- {}{from} [{}]",
            untrusted(&evidence.claim),
            evidence.call
        ));
    }
    lines.join("\n")
}
