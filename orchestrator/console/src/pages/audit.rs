//! The audit log: filter, check, export; and one recorded call that evidence cites.

use axum::{
    body::Body,
    extract::{Path, Query},
    http::header,
    response::{Html, IntoResponse, Redirect, Response},
};
use futures::stream;
use maud::{Markup, html};
use ostler_gate::audit::export_lines;
use ostler_tools::{
    answer::{AuditEntries, AuditEntry, AuditExport, AuditVerification},
    catalogue,
    contract::{Class, Tool},
    words::untrusted,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    problem::Problem,
    state::Checked,
    ui::{
        bits::{self, Tone, badge, fact, nothing, part, stamp, standing, time},
        frame::Frame,
    },
    visit::{Posted, Visit, given},
};

/// Entries on a page.
const SHOWN: usize = 100;
/// Entries that are looked through for one call.
const SEARCHED: u32 = 500;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    by: String,
    #[serde(default)]
    tool: String,
    /// Whether permitted looks are shown too: the bulk of the log.
    #[serde(default)]
    reads: String,
}

pub(crate) async fn show(
    Query(asked): Query<Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let filter =
        json!({ "principal": given(&asked.by), "tool": given(&asked.tool), "limit": SEARCHED });
    let mut found: AuditEntries = visit.ask("list_audit", filter).await?;
    if asked.reads.is_empty() && asked.tool.trim().is_empty() {
        found.entries.retain(|entry| !only_looked(entry));
    }
    let frame = visit.frame("Audit", "/audit");
    let checked = visit.console.checked();
    Ok(Html(
        page(&frame, &asked, &found, checked.as_ref()).into_string(),
    ))
}

/// Whether somebody looked and was permitted to.
fn only_looked(entry: &AuditEntry) -> bool {
    let looks = |tool: &Tool| matches!(tool.class, Class::Read | Class::ReadData);
    entry.outcome == "done" && catalogue::find(&entry.tool).is_some_and(looks)
}

fn page(frame: &Frame, asked: &Asked, found: &AuditEntries, checked: Option<&Checked>) -> Markup {
    frame.page(&html! {
        h1 { "Audit log" }
        p { (found.total) " entries. " (verified(frame, checked)) }
        div.buttons {
            @if frame.may.tool("verify_audit") { (frame.button("/audit/verify", &[], "Check the whole log", "plain")) }
            @if frame.may.tool("export_audit") { a.button href="/audit/export" download="audit.jsonl" { "Export for offline verification" } }
        }
        form.filter method="get" action="/audit" role="search" {
            label { "By " input type="search" name="by" value=(untrusted(&asked.by)) placeholder="user:NAME" autocomplete="off" data-search; }
            label { "Tool " input type="search" name="tool" value=(untrusted(&asked.tool)) autocomplete="off"; }
            label { input type="checkbox" name="reads" value="shown" checked[!asked.reads.is_empty()]; " Reads too" }
            button type="submit" { "Filter" }
        }
        @if found.entries.is_empty() { (nothing("No entry is like that.")) }
        @else { (table(frame, &found.entries)) p.quiet { "Of the newest " (SEARCHED) " entries that match, the newest " (SHOWN) "." } }
    })
}

fn verified(frame: &Frame, checked: Option<&Checked>) -> Markup {
    html! {
        @match checked {
            None => "Nobody checked it here since the daemon started.",
            Some(Checked { problem: Some(problem), at, .. }) => { (badge(Tone::Bad, "does not verify")) " " (problem) ", " (time(*at, frame.now)) },
            Some(checked) => { (badge(Tone::Good, "verified")) " " (checked.leaves) " entries, " (time(checked.at, frame.now)) ", asked by " (checked.by) },
        }
    }
}

fn table(frame: &Frame, entries: &[AuditEntry]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Entries" {
            table {
                thead { tr { th.number scope="col" { "Index" } th scope="col" { "When (UTC)" } th scope="col" { "Who" } th scope="col" { "Tool" } th scope="col" { "Outcome" } th scope="col" { "Words" } } }
                tbody {
                    @for entry in entries.iter().rev().take(SHOWN) {
                        tr data-row {
                            td.number { @if let Some(call) = &entry.call { a href={ "/calls/" (part(call.as_str())) "?by=" (part(&entry.principal)) } { (entry.index) } } @else { (entry.index) } }
                            td { (stamp(entry.at, frame.now)) }
                            td { (untrusted(&entry.principal)) }
                            td { code { (untrusted(&entry.tool)) } }
                            td { (standing(&entry.outcome)) }
                            td.words { bdi { (untrusted(&entry.words)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Checks the whole log; it takes a while, so it is asked for.
pub(crate) async fn verify(posted: Posted) -> Result<Response, Problem> {
    let visit = &posted.visit;
    let found: AuditVerification = visit.ask("verify_audit", json!({})).await?;
    let problem = found
        .problem
        .or_else(|| (!found.ok).then(|| "it is not as it was written".to_owned()));
    let words = match &problem {
        None => format!(
            "The log is as it was written: {} entries, root {}.",
            found.leaves, found.root
        ),
        Some(problem) => format!("The log does not verify: {problem}"),
    };
    let checked = Checked {
        at: visit.console.gate.now(),
        by: visit.principal().to_string(),
        leaves: found.leaves,
        problem,
    };
    visit.console.keep_checked(checked);
    visit.console.tell(&visit.session.form_token, words);
    Ok(Redirect::to(posted.back()).into_response())
}

/// The log as `ostler audit verify --offline` reads it, page by page as it is sent.
pub(crate) async fn export(visit: Visit) -> Result<Response, Problem> {
    let first: AuditExport = visit.ask("export_audit", json!({ "limit": 1000 })).await?;
    let pages = stream::unfold((visit, Some(first)), |(visit, page)| async move {
        let page = page?;
        let text = export_lines(&page);
        let next = match page.next {
            None => None,
            Some(from) => {
                let args = json!({ "from": from, "limit": 1000 });
                match visit.ask::<AuditExport>("export_audit", args).await {
                    Ok(next) if next.from == from => Some(next),
                    _ => {
                        let words = "the log moved on meanwhile; export again";
                        return Some((Err(std::io::Error::other(words)), (visit, None)));
                    }
                }
            }
        };
        Some((Ok(text), (visit, next)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.jsonl\"",
        ),
    ];
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// One recorded call.
pub(crate) async fn call(
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    visit: Visit,
) -> Result<Html<String>, Problem> {
    let filter = json!({ "principal": given(&asked.by), "limit": SEARCHED });
    let found: AuditEntries = visit.ask("list_audit", filter).await?;
    let is_it = |entry: &&AuditEntry| entry.call.as_ref().is_some_and(|call| call.as_str() == id);
    let frame = visit.frame("A recorded call", &format!("/calls/{}", part(&id)));
    let body = match found.entries.iter().find(is_it) {
        Some(entry) => recorded(&frame, entry),
        None => html! {
            h1 { "A recorded call" }
            p.lead { code { (untrusted(&id)) } " is not among the newest " (SEARCHED) " entries" @if let Some(by) = given(&asked.by) { " by " (untrusted(by)) } "." }
            p { "The log still holds it, if retention did not drop it: export the log and search there." }
        },
    };
    Ok(Html(frame.page(&body).into_string()))
}

fn recorded(frame: &Frame, entry: &AuditEntry) -> Markup {
    html! {
        p.crumbs { a href="/audit" { "Audit" } }
        h1 { "Entry " (entry.index) ": " code { (untrusted(&entry.tool)) } }
        p { (standing(&entry.outcome)) " by " strong { (untrusted(&entry.principal)) } " " (time(entry.at, frame.now)) }
        @if let Some(path) = again(entry) { p { a.button href=(path) { "Look at the same now" } } }
        dl.facts {
            (fact("When", &stamp(entry.at, frame.now)))
            (fact("Words", &html! { bdi { (untrusted(&entry.words)) } }))
            @if let Some(decision) = &entry.decision { (fact("Policy", &html! { (standing(decision)) " " (entry.policies.join(", ")) })) }
            @if !entry.services.is_empty() { (fact("Services", &html! { @for service in &entry.services { (bits::service(service)) " " } })) }
            @if let Some(revision) = entry.revision { (fact("Revision", &html! { (revision) })) }
            @if let Some(approval) = &entry.approval { (fact("Approval", &html! { a href={ "/approvals/" (approval) } { (approval) } })) }
            @if let Some(call) = &entry.call { (fact("Call", &html! { code { (call) } })) }
        }
        h2 { "Arguments" }
        pre { (untrusted(&serde_json::to_string_pretty(&entry.arguments).unwrap_or_default())) }
    }
}

/// Where the thing is seen that a look was about.
fn again(entry: &AuditEntry) -> Option<String> {
    let text = |name: &str| entry.arguments.get(name).and_then(Value::as_str);
    match entry.tool.as_str() {
        "read_logs" => Some(format!("/instances/{}#logs", part(text("instance")?))),
        "get_instance" => Some(format!("/instances/{}", part(text("instance")?))),
        "get_service" | "query_signals" | "list_instances" | "list_events" | "list_changes" => {
            let service = entry.services.first().map(bits::service_path);
            service.or_else(|| Some(format!("/instances/{}", part(text("instance")?))))
        }
        "get_graph" => Some("/graph".to_owned()),
        "list_services" => Some("/services".to_owned()),
        _ => None,
    }
}
