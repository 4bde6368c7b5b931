//! The night desk: what needs a person now, and nothing else.

use axum::response::Html;
use maud::{Markup, html};
use ostler_core::incident::IncidentState;
use ostler_tools::{
    answer::{
        AgentInfo, Agents, Approvals, IncidentSummary, Incidents, ProposalSummary, Proposals,
        ServiceSummary, Services, Status,
    },
    record::Approval,
    words::{finding, short, untrusted},
};
use serde_json::json;

use super::request::{needs, purpose};
use crate::{
    problem::Problem,
    state::Checked,
    ui::{
        bits::{self, Tone, badge, foreign, standing, time},
        frame::Frame,
    },
    visit::Visit,
};

/// Most rows of each list here; the lists' own pages have all.
const SHOWN: usize = 20;

/// What the page shows.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The whole at a glance.
    pub status: Status,
    /// Requests that wait for a person.
    pub waiting: Vec<Approval>,
    /// Proposals that wait or are carried out.
    pub proposals: Vec<ProposalSummary>,
    /// Incidents that are not over.
    pub incidents: Vec<IncidentSummary>,
    /// Services that are down, then degraded.
    pub unwell: Vec<ServiceSummary>,
    /// Services whose rollout waits for somebody.
    pub held: Vec<ServiceSummary>,
    /// Agents that cannot do their work.
    pub agents: Vec<AgentInfo>,
    /// The last check of the audit log.
    pub checked: Option<Checked>,
}

pub(crate) async fn show(visit: Visit) -> Result<Html<String>, Problem> {
    let (status, waiting, proposals, incidents, agents, down, degraded, progressing) = tokio::try_join!(
        visit.ask::<Status>("get_status", json!({})),
        visit.ask::<Approvals>("list_approvals", json!({ "state": "waiting" })),
        visit.ask::<Proposals>("list_proposals", json!({ "limit": 50 })),
        visit.ask::<Incidents>("list_incidents", json!({ "limit": 200 })),
        visit.ask::<Agents>("list_agents", json!({})),
        visit.ask::<Services>("list_services", json!({ "state": "down" })),
        visit.ask::<Services>("list_services", json!({ "state": "degraded" })),
        visit.ask::<Services>("list_services", json!({ "state": "progressing" })),
    )?;
    let mut waiting = waiting.approvals;
    waiting.sort_by_key(|approval| approval.requested_at);
    let mut unwell = down.services;
    unwell.extend(degraded.services);
    let all = unwell.iter().chain(&progressing.services);
    let held = all.filter(|one| one.rollout_waits.is_some());
    let held = held.cloned().collect();
    let desk = Desk {
        status,
        waiting,
        proposals: proposals.proposals,
        incidents: open(incidents.incidents),
        unwell,
        held,
        agents: agents
            .agents
            .into_iter()
            .filter(|agent| trouble(agent).is_some())
            .collect(),
        checked: visit.console.checked(),
    };
    let title = match needs_you(&desk) {
        0 => "Night desk".to_owned(),
        count => format!("({count}) Night desk"),
    };
    let frame = visit.frame(&title, "/");
    Ok(Html(page(&frame, &desk).into_string()))
}

fn open(incidents: Vec<IncidentSummary>) -> Vec<IncidentSummary> {
    let over = |state| matches!(state, IncidentState::Resolved | IncidentState::Closed);
    let mut open: Vec<_> = incidents
        .into_iter()
        .filter(|one| !over(one.state))
        .collect();
    open.sort_by_key(|one| (one.state != IncidentState::NeedsPerson, one.opened_at));
    open
}

/// Why an agent cannot do its work, in words.
pub(crate) fn trouble(agent: &AgentInfo) -> Option<String> {
    let spent = agent.status.budget.as_ref().is_some_and(|budget| {
        let over = |most: Option<u64>, spent| most.is_some_and(|most| most > 0 && spent >= most);
        over(Some(budget.hour.tokens), budget.spent_in_hour.tokens)
            || over(budget.hour.nano, budget.spent_in_hour.nano)
    });
    if agent.paused {
        return Some("paused by a person".to_owned());
    }
    match agent.status.state.as_str() {
        "given_up" => Some("ended too often; somebody must look".to_owned()),
        "backing_off" => Some("ended; it is started again soon".to_owned()),
        _ if spent => Some("has spent its budget of this hour; rules plan instead".to_owned()),
        _ => None,
    }
}

/// How many things wait for a person.
#[must_use]
pub fn needs_you(desk: &Desk) -> usize {
    let people = desk.incidents.iter();
    let people = people.filter(|one| one.state == IncidentState::NeedsPerson);
    let bad_log = desk
        .checked
        .as_ref()
        .is_some_and(|checked| checked.problem.is_some());
    desk.waiting.len()
        + desk.held.len()
        + people.count()
        + desk.agents.len()
        + desk.status.problems.len()
        + usize::from(bad_log)
}

/// The page.
#[must_use]
pub fn page(frame: &Frame, desk: &Desk) -> Markup {
    let count = needs_you(desk);
    let quiet = count == 0 && desk.incidents.is_empty() && desk.unwell.is_empty();
    frame.page(&html! {
        h1 {
            @match (count, quiet) {
                (0, true) => "Nothing needs you",
                (0, false) => "Nothing waits for you",
                (1, _) => "One thing needs you",
                (count, _) => { (count) " things need you" },
            }
        }
        (summary(frame, desk))
        @for problem in &desk.status.problems {
            p.alarm { (badge(Tone::Bad, "daemon")) " " (problem) }
        }
        (law(&desk.status))
        @if quiet { p.lead { "No request waits, no incident is open, every service is as wanted." } }
        (waiting(frame, desk))
        (held(frame, desk))
        (incidents(frame, desk))
        (unwell(frame, desk))
        (agents(desk))
    })
}

/// What people rule at the moment, which everybody should know of.
fn law(status: &Status) -> Markup {
    html! {
        @for emergency in &status.emergencies {
            p.alarm {
                (badge(Tone::Bad, "emergency")) " declared by " bdi { (emergency.person) } ", ends "
                (time(emergency.until, status.now)) ": " bdi { (untrusted(&emergency.reason)) }
            }
        }
        @for shown in &status.freezes {
            p {
                (badge(Tone::Warn, "freeze")) " " (shown.name) ", ends " (time(shown.freeze.until, status.now)) ": "
                bdi { (untrusted(&shown.freeze.reason)) }
            }
        }
    }
}

fn summary(frame: &Frame, desk: &Desk) -> Markup {
    let status = &desk.status;
    let services = status.services;
    html! {
        dl.tiles {
            div { dt { "Services" } dd {
                a href="/services" { strong { (services.healthy) } " healthy" }
                @if services.progressing > 0 { " · " a href="/services?state=progressing" { (services.progressing) " progressing" } }
                @if services.degraded > 0 { " · " a.warn href="/services?state=degraded" { (services.degraded) " degraded" } }
                @if services.down > 0 { " · " a.bad href="/services?state=down" { (services.down) " down" } }
                @if services.idle > 0 { " · " (services.idle) " idle" }
            } }
            div { dt { "Instances" } dd { a href="/instances" { strong { (status.instances_running) } " running" } " of " (status.instances) } }
            div { dt { "Nodes" } dd { strong { (status.nodes_ready) } " ready of " (status.nodes) } }
            div { dt { "Agents" } dd { a href="/agents" { strong { (status.agents_running) } " at work" } " of " (status.agents) } }
            div { dt { "Audit log" } dd { (audit(frame, desk.checked.as_ref())) } }
        }
    }
}

fn audit(frame: &Frame, checked: Option<&Checked>) -> Markup {
    html! {
        a href="/audit" {
            @match checked {
                None => "not checked since the daemon started",
                Some(Checked { problem: Some(_), .. }) => span.bad { "does not verify" },
                Some(checked) => { strong { "verified" } " " (time(checked.at, frame.now)) },
            }
        }
    }
}

fn waiting(frame: &Frame, desk: &Desk) -> Markup {
    html! {
        @if !desk.waiting.is_empty() {
            section {
                h2 { "Waiting for a yes" (bits::count(desk.waiting.len())) }
                ul.rows {
                    @for approval in desk.waiting.iter().take(SHOWN) { (request(frame, desk, approval)) }
                }
                (more(desk.waiting.len(), "/proposals"))
            }
        }
    }
}

fn request(frame: &Frame, desk: &Desk, approval: &Approval) -> Markup {
    let proposal = approval.proposal.as_ref();
    let named = proposal.and_then(|id| desk.proposals.iter().find(|one| one.id == *id));
    html! {
        li.row data-row {
            div.what {
                @match named {
                    Some(proposal) => a href={ "/proposals/" (proposal.id) } { (foreign(&proposal.title)) },
                    None => a href=(purpose(approval)) { (approval.calls.first().map_or("a request", |call| call.summary.as_str())) },
                }
                p.quiet { (approval.requested_by) " asked " (time(approval.requested_at, frame.now)) " · " (needs(approval)) }
            }
            div.when { (badge(Tone::Warn, "waiting")) p.quiet { "expires " (time(approval.expires_at, frame.now)) } }
        }
    }
}

fn incidents(frame: &Frame, desk: &Desk) -> Markup {
    html! {
        @if !desk.incidents.is_empty() {
            section {
                h2 { "Open incidents" (bits::count(desk.incidents.len())) }
                ul.rows {
                    @for one in desk.incidents.iter().take(SHOWN) {
                        li.row data-row {
                            div.what {
                                a href={ "/incidents/" (one.id) } { (foreign(&one.title)) }
                                p.quiet {
                                    (bits::service(&one.service)) " · opened " (time(one.opened_at, frame.now))
                                    @if let Some(cause) = &one.cause { " · " (ostler_tools::words::word(cause)) }
                                }
                            }
                            div.when { (standing(&one.state)) }
                        }
                    }
                }
                (more(desk.incidents.len(), "/incidents"))
            }
        }
    }
}

fn held(frame: &Frame, desk: &Desk) -> Markup {
    html! {
        @if !desk.held.is_empty() {
            section {
                h2 { "Rollouts that wait" (bits::count(desk.held.len())) }
                ul.rows {
                    @for one in desk.held.iter().take(SHOWN) {
                        li.row data-row {
                            div.what {
                                a href={ (bits::service_path(&one.service)) "#rollout" } { (short(&one.service)) }
                                @if let Some(waits) = &one.rollout_waits { p.quiet { (waits) } }
                            }
                            div.when { (badge(Tone::Warn, "waiting")) p.quiet { "since " (time(one.changed_at, frame.now)) } }
                        }
                    }
                }
                (more(desk.held.len(), "/services"))
            }
        }
    }
}

fn unwell(frame: &Frame, desk: &Desk) -> Markup {
    html! {
        @if !desk.unwell.is_empty() {
            section {
                h2 { "Services that are not as wanted" (bits::count(desk.unwell.len())) }
                ul.rows {
                    @for one in desk.unwell.iter().take(SHOWN) {
                        li.row data-row {
                            div.what {
                                a href=(bits::service_path(&one.service)) { (short(&one.service)) }
                                @if let Some(first) = one.findings.first() { p.quiet { (finding(first, frame.now)) } }
                            }
                            div.when { (bits::state(one.state)) p.quiet { (one.ready) " of " (one.wanted) " ready" } }
                        }
                    }
                }
                (more(desk.unwell.len(), "/services"))
            }
        }
    }
}

fn agents(desk: &Desk) -> Markup {
    html! {
        @if !desk.agents.is_empty() {
            section {
                h2 { "Agents that cannot work" (bits::count(desk.agents.len())) }
                ul.rows {
                    @for agent in &desk.agents {
                        li.row data-row {
                            div.what {
                                a href={ "/agents/" (agent.name) } { (agent.name) }
                                p.quiet { (trouble(agent).unwrap_or_default()) }
                            }
                            div.when { @if agent.paused { (badge(Tone::Warn, "paused")) } @else { (standing(&agent.status.state)) } }
                        }
                    }
                }
            }
        }
    }
}

fn more(count: usize, path: &str) -> Markup {
    html! {
        @if count > SHOWN { p.quiet { a href=(path) { "and " (count - SHOWN) " more" } } }
    }
}
