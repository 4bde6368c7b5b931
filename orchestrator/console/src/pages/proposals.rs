//! Agents' proposals, newest first.

use axum::{extract::Query, response::Html};
use maud::html;
use ostler_tools::answer::Proposals;
use serde_json::json;

use crate::{
    problem::Problem,
    ui::{
        bits::{foreign, nothing, standing, time},
        paging::{Asked, Page},
    },
    visit::Visit,
};

pub(crate) async fn show(
    Query(asked): Query<Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let found: Proposals = visit.ask("list_proposals", json!({ "limit": 200 })).await?;
    let page = Page::of(found.proposals.len(), asked.page);
    let frame = visit.frame("Proposals", "/proposals");
    let body = html! {
        h1 { "Proposals" }
        @if found.proposals.is_empty() { (nothing("No agent proposed anything yet.")) }
        ul.rows {
            @for one in page.cut(&found.proposals) {
                li.row data-row {
                    div.what {
                        a href={ "/proposals/" (one.id) } { (foreign(&one.title)) }
                        p.quiet { (one.by) " " (time(one.at, frame.now)) " · " (one.calls.join(", ")) }
                        @if let Some(outcome) = &one.outcome { p.quiet { (foreign(outcome)) } }
                    }
                    div.when { (standing(&one.state)) }
                }
            }
        }
        (page.links("/proposals", &[]))
    };
    Ok(Html(frame.page(&body).into_string()))
}
