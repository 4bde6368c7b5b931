//! The agents at a glance.

use axum::response::Html;
use maud::{Markup, html};
use ostler_core::autonomy::Standing;
use ostler_tools::answer::{AgentInfo, Agents};
use serde_json::json;

use super::night::trouble;
use crate::{
    problem::Problem,
    ui::{
        bits::{Tone, badge, nothing, part, standing, time},
        frame::Frame,
    },
    visit::Visit,
};

pub(crate) async fn show(visit: Visit) -> Result<Html<String>, Problem> {
    let found: Agents = visit.ask("list_agents", json!({})).await?;
    let frame = visit.frame("Agents", "/agents");
    let body = html! {
        h1 { "Agents" }
        @if found.agents.is_empty() { (nothing("No agent runs under this daemon.")) }
        ul.rows { @for agent in &found.agents { (row(&frame, agent)) } }
    };
    Ok(Html(frame.page(&body).into_string()))
}

fn row(frame: &Frame, agent: &AgentInfo) -> Markup {
    html! {
        li.row data-row {
            div.what {
                a href={ "/agents/" (part(agent.name.as_str())) } { (agent.name) }
                p.quiet {
                    @if let Some(words) = trouble(agent) { (words) " · " }
                    (autonomy(&agent.standing)) " · " (record(agent))
                    @if let Some(at) = agent.status.heard_at { " · heard " (time(at, frame.now)) }
                }
            }
            div.when {
                @if agent.paused { (badge(Tone::Warn, "paused")) } @else { (standing(&agent.status.state)) }
                (switch(frame, agent))
            }
        }
    }
}

/// The kill switch, and its way back.
pub(super) fn switch(frame: &Frame, agent: &AgentInfo) -> Markup {
    let path = format!("/agents/{}", part(agent.name.as_str()));
    html! {
        @if agent.paused {
            @if frame.may.tool("resume_agent") { (frame.button(&format!("{path}/resume"), &[], "Resume", "plain")) }
        } @else if frame.may.tool("pause_agent") {
            (frame.button(&format!("{path}/pause"), &[], "Pause", "no"))
        }
    }
}

/// How far it may go, in words.
pub(super) fn autonomy(standing: &Standing) -> &'static str {
    match standing {
        Standing::Alone => "acts alone within limits",
        Standing::NotPromoted => "acts with a person's yes",
        Standing::Changed { .. } => "acts with a person's yes: it is not what was certified",
        Standing::Expired => "acts with a person's yes: its certificate ended",
        Standing::Fallen { .. } => "acts with a person's yes: it did not do well",
    }
}

/// What it did, in words.
pub(super) fn record(agent: &AgentInfo) -> String {
    let record = agent.record;
    format!(
        "{} verified, {} taken back, {} overruled",
        record.verified, record.undone, record.overruled
    )
}
