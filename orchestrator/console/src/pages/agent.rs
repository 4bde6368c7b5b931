//! One agent: state, autonomy, budget, record, certificate, and what it wrote.

use axum::{extract::Path, response::Html};
use maud::{Markup, html};
use ostler_core::autonomy::Autonomy;
use ostler_tools::{
    answer::{AgentInfo, AgentLog, Agents, Proposals},
    view::AgentBudget,
    words::{size, untrusted},
};
use serde_json::json;

use super::{
    agents::{autonomy, record, switch},
    night::trouble,
};
use crate::{
    problem::Problem,
    ui::{
        bits::{Tone, badge, fact, foreign, nothing, part, stamp, standing, time},
        frame::Frame,
    },
    visit::Visit,
};

pub(crate) async fn show(Path(name): Path<String>, visit: Visit) -> Result<Html<String>, Problem> {
    let (found, log, proposals) = tokio::try_join!(
        visit.ask::<Agents>("list_agents", json!({})),
        visit.ask_if_may::<AgentLog>("read_agent_logs", json!({ "agent": name, "tail": 200 })),
        visit.ask::<Proposals>("list_proposals", json!({ "limit": 200 })),
    )?;
    let agent = found
        .agents
        .iter()
        .find(|agent| agent.name.as_str() == name)
        .ok_or(Problem::NoPage)?;
    let frame = visit.frame(&name, &format!("/agents/{}", part(&name)));
    let mut proposals = proposals.proposals;
    proposals.retain(|one| one.by == format!("agent:{name}"));
    let body = html! {
        p.crumbs { a href="/agents" { "Agents" } }
        h1 { (agent.name) }
        div.head {
            @if agent.paused { (badge(Tone::Warn, "paused")) }
            (standing(&agent.status.state))
            span { (autonomy(&agent.standing)) }
            (switch(&frame, agent))
        }
        @if let Some(words) = trouble(agent) { p { (badge(Tone::Warn, "cannot work")) " " (words) } }
        div.columns {
            div {
                section { h2 { "Process" } (process(&frame, agent)) }
                section { h2 { "Autonomy" } (papers(&frame, agent)) }
            }
            div {
                section { h2 { "Budget for language models" } (budget(agent.status.budget.as_ref())) }
                (shadows(&frame, agent))
                section { h2 { "Last proposals" }
                    @if proposals.is_empty() { (nothing("It proposed nothing yet.")) }
                    ul.rows { @for one in proposals.iter().take(10) {
                        li.row data-row {
                            div.what { a href={ "/proposals/" (one.id) } { (foreign(&one.title)) } p.quiet { (time(one.at, frame.now)) } }
                            div.when { (standing(&one.state)) }
                        }
                    } }
                }
            }
        }
        @if let Some(log) = &log { (lines(&frame, log)) }
    };
    Ok(Html(frame.page(&body).into_string()))
}

fn process(frame: &Frame, agent: &AgentInfo) -> Markup {
    let status = &agent.status;
    html! {
        dl.facts {
            (fact("Lives in", &html! { (status.lodging) @if let Some(pid) = status.pid { ", process " (pid) } }))
            @if let Some(at) = status.heard_at { (fact("Heard", &time(at, frame.now))) }
            (fact("Restarts", &html! { (status.restarts) }))
            @if let Some(words) = &status.last_end { (fact("Last end", &html! { (untrusted(words)) })) }
            @if let Some(memory) = status.memory { (fact("Memory", &html! { (size(memory.0)) })) }
            (fact("Record", &html! { (record(agent)) }))
        }
    }
}

fn papers(frame: &Frame, agent: &AgentInfo) -> Markup {
    html! {
        p { (agent.standing.in_words()) }
        @match &agent.autonomy {
            Some(autonomy) => (certificate(frame, autonomy)),
            None => p.quiet { "It holds no certificate here: it acts with a person's yes." },
        }
        @if let Some(make) = &agent.status.make {
            dl.facts {
                (fact("Planner", &html! { @if make.planner.is_empty() { "rules" } @else { (make.planner.join(", ")) } }))
                (fact("Build", &html! { code { (short(&make.build)) } }))
                (fact("Prompt", &html! { code { (short(&make.prompt)) } }))
            }
        }
    }
}

fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}

fn certificate(frame: &Frame, autonomy: &Autonomy) -> Markup {
    let certificate = &autonomy.certificate;
    let scores = &certificate.scores;
    html! {
        dl.facts {
            (fact("Suite", &html! { (certificate.suite) ", signed by " (autonomy.evaluator) }))
            (fact("Cases", &html! { (scores.cases) ", at least " (scores.passed / 10) " % passed, at most " (scores.false_alarms / 10) " % false alarms" }))
            (fact("Harm", &html! { (scores.minor) " minor, " (scores.major) " major, " (scores.catastrophic) " catastrophic, " (scores.unauthorised) " not allowed" }))
            (fact("Promoted", &time(autonomy.since, frame.now)))
            (fact("Good until", &time(certificate.expires_at, frame.now)))
        }
    }
}

fn budget(budget: Option<&AgentBudget>) -> Markup {
    html! {
        @match budget {
            None => p.quiet { "It plans with rules and spends nothing." },
            Some(budget) => {
                dl.facts {
                    (fact("Planners", &html! { (budget.planner.join(", ")) }))
                    (fact("This hour", &html! {
                        meter min="0" max=(budget.hour.tokens.max(1)) value=(budget.spent_in_hour.tokens) aria-label="Tokens of this hour" {}
                        " " (budget.spent_in_hour.tokens) " of " (budget.hour.tokens) " tokens"
                    }))
                    (fact("Refused", &html! { (budget.refused) " requests for want of budget" }))
                }
            }
        }
    }
}

/// Who thinks along and does nothing, and how often it concluded otherwise.
fn shadows(frame: &Frame, agent: &AgentInfo) -> Markup {
    let budget = agent.status.shadow_budget.as_ref();
    if budget.is_none() && agent.shadows.is_empty() {
        return Markup::default();
    }
    html! {
        section {
            h2 { "Shadow" }
            p.quiet { "Thinks about what the agent settled, and does nothing. What it would have done stands in the incidents." }
            dl.facts {
                @if let Some(budget) = budget {
                    (fact("Thinks along", &html! { (budget.planner.join(", ")) ", " (budget.spent_in_hour.tokens) " of " (budget.hour.tokens) " tokens this hour" }))
                }
                @for tally in &agent.shadows {
                    (fact(&tally.planner.join(", then "), &html! {
                        (tally.in_words()) ", with prompt " code { (short(&tally.prompt)) } ", last " (time(tally.last_at, frame.now))
                    }))
                }
            }
        }
    }
}

fn lines(frame: &Frame, log: &AgentLog) -> Markup {
    html! {
        section {
            h2 { "What it wrote" }
            @if log.untrusted_lines.is_empty() { (nothing("Nothing yet.")) }
            @else {
                figure.foreign-block.log {
                    figcaption { "Written by the agent: data, not instructions" }
                    ol tabindex="0" { @for line in &log.untrusted_lines { li { (stamp(line.at, frame.now)) " " bdi { (untrusted(&line.text)) } } } }
                }
            }
        }
    }
}
