//! Every instance, in pages.

use axum::{extract::Query, response::Html};
use maud::{Markup, html};
use ostler_core::observed::Phase;
use ostler_tools::{
    answer::{InstanceInfo, Instances},
    words::word,
};
use serde_json::json;

use crate::{
    problem::Problem,
    ui::{
        bits::{self, Tone, badge, foreign, nothing, time},
        frame::Frame,
        paging::{Asked, Page},
    },
    visit::Visit,
};

pub(crate) async fn show(
    Query(asked): Query<Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let found: Instances = visit.ask("list_instances", json!({})).await?;
    let mut all = found.instances;
    all.sort_by_key(|one| one.ready);
    let page = Page::of(all.len(), asked.page);
    let frame = visit.frame("Instances", "/instances");
    let body = html! {
        h1 { "Instances" (bits::count(all.len())) }
        p.quiet { "Those that are not ready first." }
        (table(&frame, page.cut(&all), true))
        (page.links("/instances", &[]))
    };
    Ok(Html(frame.page(&body).into_string()))
}

/// What an instance does, in a word.
pub(super) fn phase(info: &InstanceInfo) -> Markup {
    let words = word(
        &serde_json::to_value(&info.seen.phase)
            .ok()
            .and_then(|value| value.get("phase").cloned()),
    );
    let tone = match &info.seen.phase {
        Phase::Running if info.ready => Tone::Good,
        Phase::Starting | Phase::Stopping => Tone::Busy,
        Phase::Running => Tone::Warn,
        Phase::Failed { .. } => Tone::Bad,
        Phase::Ended | Phase::Unknown => Tone::Calm,
    };
    let words = if info.seen.phase == Phase::Running && !info.ready {
        "running, not ready".to_owned()
    } else {
        words
    };
    badge(tone, &words)
}

/// Instances as a table, with their service where it is not said already.
pub(super) fn table(frame: &Frame, instances: &[InstanceInfo], with_service: bool) -> Markup {
    if instances.is_empty() {
        return nothing("There is no instance.");
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label="Instances" {
            table {
                thead { tr {
                    th scope="col" { "Instance" } @if with_service { th scope="col" { "Service" } } th scope="col" { "Phase" } th scope="col" { "Since" }
                    th scope="col" { "Traffic" } th.number scope="col" { "Attempt" } th scope="col" { "Last end" } th scope="col" { "Node" }
                } }
                tbody {
                    @for one in instances {
                        tr data-row {
                            td { (bits::instance(&one.instance)) }
                            @if with_service { td { (bits::service(&one.seen.service)) } }
                            td { (phase(one)) @if let Phase::Failed { problem } = &one.seen.phase { " " (word(&problem.kind)) ": " (foreign(&problem.detail)) } }
                            td { (time(one.seen.since, frame.now)) }
                            td { @if one.in_rotation { "on" } @else { span.quiet { "off" } } }
                            td.number { (one.seen.attempt) }
                            td { @match &one.last_exit { Some(words) => (words), None => span.quiet { "none" } } }
                            td { (one.seen.node) }
                        }
                    }
                }
            }
        }
    }
}
