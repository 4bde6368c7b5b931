//! One incident on its timeline.

use axum::{extract::Path, response::Html};
use maud::{Markup, html};
use ostler_core::incident::Incident;
use ostler_tools::{
    answer::IncidentDetail,
    words::{untrusted, word},
};
use serde_json::json;

use crate::{
    problem::Problem,
    ui::{
        bits::{self, Tone, badge, foreign, foreign_block, part, stamp, standing, time},
        frame::Frame,
    },
    visit::Visit,
};

pub(crate) async fn show(Path(id): Path<String>, visit: Visit) -> Result<Html<String>, Problem> {
    let detail: IncidentDetail = visit.ask("get_incident", json!({ "incident": id })).await?;
    let frame = visit.frame(
        "Incident",
        &format!("/incidents/{}", part(detail.incident.id.as_str())),
    );
    Ok(Html(page(&frame, &detail).into_string()))
}

fn page(frame: &Frame, detail: &IncidentDetail) -> Markup {
    let incident = &detail.incident;
    frame.page(&html! {
        p.crumbs { a href="/incidents" { "Incidents" } }
        h1 { (foreign(&incident.title)) }
        p {
            (standing(&incident.state)) " " (bits::service(&incident.service)) " · opened by " (incident.opened_by) " " (time(incident.opened_at, frame.now))
            @if let Some(at) = incident.closed_at { " · closed " (time(at, frame.now)) }
            " · " code { (incident.id) }
        }
        @if !incident.symptoms.is_empty() {
            p { @for symptom in &incident.symptoms { (badge(Tone::Warn, &untrusted(symptom))) " " } }
        }
        (proposals(frame, detail))
        @if let Some(cause) = &incident.cause {
            section {
                h2 { "Cause" }
                p { strong { (word(&cause.kind)) } " in " (bits::service(&cause.culprit)) ", " ((cause.confidence * 100.0).round()) " % confident" }
                (foreign_block(&incident.opened_by, &cause.explanation))
            }
        }
        @if let Some(said) = &incident.correction {
            p { (badge(Tone::Bad, "corrected")) " " (said.by) " " (time(said.at, frame.now)) ": it was not " (word(&said.wrong)) ". " q { (untrusted(&said.words)) } }
        }
        section { h2 { "Timeline" } (timeline(frame, incident)) }
    })
}

fn proposals(frame: &Frame, detail: &IncidentDetail) -> Markup {
    html! {
        @if !detail.proposals.is_empty() {
            section {
                h2 { "Proposals" }
                ul.rows {
                    @for one in &detail.proposals {
                        li.row data-row {
                            div.what { a href={ "/proposals/" (one.id) } { (foreign(&one.title)) } p.quiet { (one.by) " " (time(one.at, frame.now)) } }
                            div.when { (standing(&one.state)) }
                        }
                    }
                }
            }
        }
    }
}

/// What happened, oldest first.
pub(super) fn timeline(frame: &Frame, incident: &Incident) -> Markup {
    html! {
        ol.timeline {
            @for entry in &incident.timeline {
                li { (stamp(entry.at, frame.now)) " " span.by { (entry.by) } p { (foreign(&entry.what)) } }
            }
        }
    }
}
