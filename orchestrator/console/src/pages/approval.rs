//! One request for a yes that belongs to no proposal.

use axum::{extract::Path, response::Html};
use maud::{Markup, html};
use ostler_tools::{answer::Approvals, record::Approval};
use serde_json::json;

use super::request;
use crate::{
    problem::Problem,
    ui::{
        bits::{part, standing, time},
        frame::Frame,
    },
    visit::Visit,
};

pub(crate) async fn show(Path(id): Path<String>, visit: Visit) -> Result<Html<String>, Problem> {
    let found: Approvals = visit.ask("list_approvals", json!({ "id": id })).await?;
    let approval = found.approvals.first().ok_or(Problem::NoPage)?;
    let frame = visit.frame(
        "A request",
        &format!("/approvals/{}", part(approval.id.as_str())),
    );
    Ok(Html(page(&frame, approval).into_string()))
}

fn page(frame: &Frame, approval: &Approval) -> Markup {
    let action = format!("/approvals/{}/answer", approval.id);
    frame.page(&html! {
        p.crumbs { a href="/" { "Night desk" } }
        h1 { "A request of " (approval.requested_by) }
        p { (standing(&approval.state)) " asked " (time(approval.requested_at, frame.now)) " · " code { (approval.id) } }
        @if let Some(proposal) = &approval.proposal { p { "Belongs to proposal " a href={ "/proposals/" (proposal) } { (proposal) } "." } }
        section { h2 { "What exactly" } (request::calls(&approval.calls)) }
        section { h2 { "Why policy asks" } (request::asks(frame, approval)) }
        section { h2 { "Your answer" } (request::answer(frame, approval, &action)) }
    })
}
