//! Every service, in pages.

use axum::{extract::Query, response::Html};
use maud::{Markup, html};
use ostler_core::plan::ServiceState;
use ostler_tools::{
    answer::{ServiceSummary, Services},
    words::{finding, untrusted, word},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    problem::Problem,
    ui::{
        bits::{self, nothing, time},
        frame::Frame,
        paging::Page,
    },
    visit::Visit,
};

const STATES: [ServiceState; 5] = [
    ServiceState::Down,
    ServiceState::Degraded,
    ServiceState::Progressing,
    ServiceState::Healthy,
    ServiceState::Idle,
];

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    page: Option<usize>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    name: String,
}

pub(crate) async fn show(
    Query(asked): Query<Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let state = (!asked.state.is_empty()).then_some(asked.state.as_str());
    let found: Services = visit
        .ask("list_services", json!({ "state": state }))
        .await?;
    let mut services = found.services;
    services.retain(|one| one.service.to_string().contains(asked.name.trim()));
    services.sort_by_key(|one| STATES.iter().position(|state| Some(*state) == one.state));
    let frame = visit.frame("Services", "/services");
    Ok(Html(page(&frame, &asked, &services).into_string()))
}

fn page(frame: &Frame, asked: &Asked, services: &[ServiceSummary]) -> Markup {
    let page = Page::of(services.len(), asked.page);
    frame.page(&html! {
        h1 { "Services" }
        form.filter method="get" action="/services" role="search" {
            label { "Name " input type="search" name="name" value=(untrusted(&asked.name)) autocomplete="off" data-search; }
            label { "State " select name="state" {
                option value="" { "any" }
                @for state in STATES {
                    @let word = word(&state);
                    option value=(word) selected[word == asked.state] { (word) }
                }
            } }
            button type="submit" { "Filter" }
        }
        @if services.is_empty() { (nothing("No service is like that.")) }
        @else { (table(frame, page.cut(services))) }
        (page.links("/services", &[("state", &asked.state), ("name", asked.name.trim())]))
    })
}

fn table(frame: &Frame, services: &[ServiceSummary]) -> Markup {
    let priced = services.iter().any(|one| one.cost.is_some());
    html! {
        div.scroll tabindex="0" role="region" aria-label="Services" {
            table {
                thead { tr {
                    th scope="col" { "Service" } th scope="col" { "State" } th.number scope="col" { "Ready" } th.number scope="col" { "Restarts" }
                    @if priced { th.number scope="col" { "Cost" } }
                    th scope="col" { "Image" } th scope="col" { "Changed" } th scope="col" { "Findings" }
                } }
                tbody {
                    @for one in services {
                        tr data-row {
                            td { (bits::service(&one.service)) }
                            td { (bits::state(one.state)) }
                            td.number { (one.ready) "/" (one.wanted) }
                            td.number { (one.restarts) }
                            @if priced { td.number { @if let Some(cost) = &one.cost { (cost.monthly()) } } }
                            td { code { (untrusted(&one.image)) } }
                            td { (time(one.changed_at, frame.now)) }
                            td { @if let Some(first) = one.findings.first() { (finding(first, frame.now)) } }
                        }
                    }
                }
            }
        }
    }
}
