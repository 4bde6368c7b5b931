//! Incidents, newest first.

use axum::{extract::Query, response::Html};
use maud::html;
use ostler_tools::{answer::Incidents, words::word};
use serde_json::json;

use crate::{
    problem::Problem,
    ui::{
        bits::{self, foreign, nothing, standing, time},
        paging::{Asked, Page},
    },
    visit::Visit,
};

pub(crate) async fn show(
    Query(asked): Query<Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let found: Incidents = visit.ask("list_incidents", json!({ "limit": 200 })).await?;
    let page = Page::of(found.incidents.len(), asked.page);
    let frame = visit.frame("Incidents", "/incidents");
    let body = html! {
        h1 { "Incidents" }
        @if found.incidents.is_empty() { (nothing("No incident was opened yet.")) }
        ul.rows {
            @for one in page.cut(&found.incidents) {
                li.row data-row {
                    div.what {
                        a href={ "/incidents/" (one.id) } { (foreign(&one.title)) }
                        p.quiet {
                            (bits::service(&one.service)) " · opened " (time(one.opened_at, frame.now))
                            @if let Some(cause) = &one.cause { " · " (word(cause)) }
                            @if let Some(culprit) = one.culprit.as_ref().filter(|culprit| **culprit != one.service) { " in " (bits::service(culprit)) }
                        }
                    }
                    div.when { (standing(&one.state)) @if let Some(at) = one.closed_at { p.quiet { "closed " (time(at, frame.now)) } } }
                }
            }
        }
        (page.links("/incidents", &[]))
    };
    Ok(Html(frame.page(&body).into_string()))
}
