//! One instance: its state, its signals, a command in it, and what it wrote.

use axum::{
    extract::{Path, Query},
    response::Html,
};
use maud::{Markup, html};
use ostler_core::observed::Answer;
use ostler_tools::{
    answer::{InstanceInfo, LogAnswer},
    words::span,
};
use serde_json::json;

use super::{exec, instances::phase, log, measured};
use crate::{
    problem::Problem,
    ui::{
        bits::{self, fact, foreign, nothing, part, time},
        frame::Frame,
    },
    visit::Visit,
};

pub(crate) async fn show(
    Path(id): Path<String>,
    Query(asked): Query<log::Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let info: InstanceInfo = visit.ask("get_instance", json!({ "instance": id })).await?;
    let logs = visit
        .ask_if_may::<LogAnswer>("read_logs", json!({ "instance": id, "tail": log::TAIL }))
        .await?;
    let measured = measured::of_instance(&visit, &info.instance).await?;
    let frame = visit.frame(&id, &format!("/instances/{}", part(info.instance.as_str())));
    let may = visit.may().tool("read_logs");
    let body = html! {
        p.crumbs { (bits::service(&info.seen.service)) }
        h1 { (info.instance) }
        p { (phase(&info)) " since " (time(info.seen.since, frame.now)) }
        section { h2 { "State" } (facts(&frame, &info)) }
        @if measured::any(&measured) { section { h2 { "Signals of the last hour" } (measured::plots(&measured, &[])) } }
        @if info.seen.pid.is_some() { (exec::form(&frame, &info.instance, "")) }
        section #logs {
            h2 { "Log" }
            @match (&logs, may) {
                (Some(logs), _) => (log::section(&frame, logs, &asked)),
                (None, false) => p.quiet { "Your role does not see what workloads write." },
                (None, true) => (nothing("The log cannot be read.")),
            }
        }
    };
    Ok(Html(frame.page(&body).into_string()))
}

fn facts(frame: &Frame, info: &InstanceInfo) -> Markup {
    let seen = &info.seen;
    html! {
        dl.facts {
            (fact("Generation", &html! { (seen.generation) ", attempt " (seen.attempt) }))
            (fact("Traffic", &html! { @if info.in_rotation { "on" } @else { "off" } }))
            (fact("Node", &html! { (seen.node) @if let Some(address) = seen.address { " · " (address) } }))
            (fact("Reserved", &html! { (seen.cpu) " CPU, " (seen.memory) " memory" }))
            @for (name, answer) in [("Startup probe", &seen.health.startup), ("Readiness probe", &seen.health.readiness), ("Liveness probe", &seen.health.liveness)] {
                (fact(name, &probe(frame, answer)))
            }
            @for exit in seen.exits.iter().rev().take(5) {
                (fact("Ended", &html! { (time(exit.at, frame.now)) ": " (exit.in_words()) " after " (span(exit.ran)) @if exit.asked { ", asked for" } }))
            }
        }
    }
}

fn probe(frame: &Frame, answer: &Answer) -> Markup {
    html! {
        @match answer {
            Answer::Unknown => span.quiet { "not asked" },
            Answer::Yes { since } => { "passes, since " (time(*since, frame.now)) },
            Answer::No { since, reason } => { "fails, since " (time(*since, frame.now)) ": " (foreign(reason)) },
        }
    }
}
