//! One service: state, signals, instances, events, generations with what going back would change.

use axum::{extract::Path, response::Html};
use maud::{Markup, html};
use ostler_core::event::{Event, Happening};
use ostler_tools::{
    answer::{GenerationInfo, ServiceDetail, Signals},
    words::{finding, happening, untrusted},
};
use serde_json::json;

use super::{instances, measured, objectives, rollout};
use crate::{
    problem::Problem,
    ui::{
        bits::{self, Tone, badge, nothing, stamp, time},
        diff,
        frame::Frame,
        plot::Mark,
    },
    visit::Visit,
};

pub(crate) async fn show(
    Path((namespace, name)): Path<(String, String)>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let service = format!("{namespace}/{name}");
    let detail: ServiceDetail = visit
        .ask("get_service", json!({ "service": service }))
        .await?;
    let key = &detail.summary.service;
    let promised = detail.spec.objectives.as_ref();
    let (measured, day) = tokio::try_join!(
        measured::of_these(&visit, key, &detail.instances, "1h"),
        objectives::measured(&visit, key, promised),
    )?;
    let frame = visit.frame(&service, &bits::service_path(&detail.summary.service));
    let promises = promised.map(|promised| objectives::section(promised, day.as_ref()));
    Ok(Html(
        page(&frame, &detail, &measured, promises.as_ref()).into_string(),
    ))
}

fn page(
    frame: &Frame,
    detail: &ServiceDetail,
    measured: &[Signals],
    promises: Option<&Markup>,
) -> Markup {
    let summary = &detail.summary;
    frame.page(&html! {
        p.crumbs { a href="/services" { "Services" } }
        h1 { (summary.service) }
        div.head {
            (bits::state(summary.state))
            span { strong { (summary.ready) } " of " (summary.wanted) " ready" }
            span { (bits::many(summary.restarts as usize, "restart")) }
            @if let Some(cost) = &summary.cost { span title="What its instances reserve, at the prices of the configuration" { (cost.monthly()) } }
            code { (untrusted(&summary.image)) }
            (actions(frame, detail))
        }
        @if !detail.labels.is_empty() {
            p.quiet { @for (name, value) in &detail.labels { code { (name) "=" bdi { (untrusted(value)) } } " " } }
        }
        @for one in &summary.findings { p { (badge(Tone::Warn, "found")) " " (finding(one, frame.now)) } }
        @for secret in &detail.missing_secrets { p { (badge(Tone::Bad, "missing secret")) " " (secret) } }
        @if let Some(info) = &detail.rollout { (rollout::section(frame, info)) }
        @if let Some(promises) = promises { (promises) }
        (plots(detail, measured))
        section { h2 { "Instances" (bits::count(detail.instances.len())) } (instances::table(frame, &detail.instances, false)) }
        div.columns {
            div { section { h2 { "Events" } (events(frame, &detail.events)) } }
            div {
                section { h2 { "Needs" } (needs(detail)) }
                section { h2 { "Generations" } @for past in &detail.generations { (generation(frame, detail, past)) } }
                section { h2 { "Spec" } details { summary { "As it is wanted" } pre { (untrusted(&serde_json::to_string_pretty(&detail.spec).unwrap_or_default())) } } }
            }
        }
    })
}

fn actions(frame: &Frame, detail: &ServiceDetail) -> Markup {
    let path = bits::service_path(&detail.summary.service);
    html! {
        @if frame.may.tool("restart_service") {
            (frame.button(&format!("{path}/restart"), &[], "Restart", "plain"))
        }
    }
}

fn plots(detail: &ServiceDetail, measured: &[Signals]) -> Markup {
    let marks: Vec<Mark> = detail.events.iter().filter_map(mark).collect();
    html! {
        @if measured::any(measured) {
            section #signals {
                h2 { "Signals of the last hour" }
                (measured::plots(measured, &marks))
                p.quiet { "A line for the service and for each of its newest instances. Upright lines are changes of what is wanted." }
            }
        }
    }
}

/// What is worth a line across the plots.
fn mark(event: &Event) -> Option<Mark> {
    matches!(event.what, Happening::Changed { .. }).then(|| Mark {
        at: event.at,
        what: happening(&event.what),
    })
}

/// Events, newest first.
pub(super) fn events(frame: &Frame, events: &[Event]) -> Markup {
    html! {
        @if events.is_empty() { (nothing("Nothing happened since the daemon started.")) }
        ol.events {
            @for event in events.iter().rev() {
                li {
                    (stamp(event.at, frame.now)) " "
                    @if let Some(id) = &event.instance { (bits::instance(id)) " " }
                    bdi { (happening(&event.what)) }
                }
            }
        }
    }
}

fn needs(detail: &ServiceDetail) -> Markup {
    html! {
        @if detail.needs.is_empty() { p.quiet { "It needs no other service." } }
        ul.plain-list { @for need in &detail.needs { li { (bits::service(&need.service)) " " (bits::state(need.state)) } } }
        @if !detail.needed_by.is_empty() { p { "Needed by " @for by in &detail.needed_by { (bits::service(by)) " " } } }
        @if !detail.blast_radius.is_empty() { p.quiet { (bits::many(detail.blast_radius.len(), "service")) " would feel its loss." } }
    }
}

fn generation(frame: &Frame, detail: &ServiceDetail, past: &GenerationInfo) -> Markup {
    let path = bits::service_path(&detail.summary.service);
    let number = past.generation.0.to_string();
    html! {
        details.generation {
            summary {
                "Generation " (past.generation) " · " (time(past.changed_at, frame.now)) " "
                @if past.current { (badge(Tone::Calm, "current")) }
                @if past.last_good { (badge(Tone::Good, "last good")) }
            }
            p { code { (untrusted(&past.image)) } }
            @if !past.current {
                @if past.rollback.is_empty() { p.quiet { "Going back to it would change nothing." } }
                @else { p.quiet { "Going back to it would change:" } (diff::lines(&past.rollback)) }
                @if frame.may.tool("rollback_service") {
                    (frame.button(&format!("{path}/rollback"), &[("generation", &number)], "Go back to it", "plain"))
                }
            }
        }
    }
}
