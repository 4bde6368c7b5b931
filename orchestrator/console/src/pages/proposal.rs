//! One proposal: everything a person needs to say yes or no, then how it goes, then how to undo it.

use axum::{extract::Path, response::Html};
use maud::{Markup, html};
use ostler_core::{
    incident::{Cause, Evidence, Incident},
    proposal::{Proposal, ProposalState},
};
use ostler_tools::{
    answer::{Changes, Foretold, Graph, IncidentDetail, PastChangeInfo, ProposalDetail, Signals},
    words::{span, untrusted, word},
};
use serde_json::json;

use super::{graph, measured, request};
use crate::{
    problem::Problem,
    ui::{
        bits::{self, Tone, badge, foreign, foreign_block, many, part, standing, time},
        frame::Frame,
        plot::Mark,
    },
    visit::Visit,
};

/// What the page shows.
struct Case {
    detail: ProposalDetail,
    incident: Incident,
    around: Option<Graph>,
    /// Changes that carried it out, oldest first.
    made: Vec<PastChangeInfo>,
    /// Changes of the same services by others since it was made.
    meanwhile: Vec<PastChangeInfo>,
    signals: Vec<Signals>,
}

pub(crate) async fn show(Path(id): Path<String>, visit: Visit) -> Result<Html<String>, Problem> {
    let detail: ProposalDetail = visit.ask("get_proposal", json!({ "proposal": id })).await?;
    let proposal = &detail.proposal;
    let culprit = &proposal.body.cause.culprit;
    let watched = &proposal.body.verify.service;
    let (incident, around, changes, signals) = tokio::try_join!(
        visit.ask::<IncidentDetail>("get_incident", json!({ "incident": proposal.incident })),
        visit.ask_if_may::<Graph>("get_graph", json!({ "service": culprit })),
        visit.ask::<Changes>("list_changes", json!({ "limit": 100 })),
        measured::of_service(&visit, watched, "30m"),
    )?;
    let (made, meanwhile) = split(proposal, changes);
    let frame = visit.frame(
        "Proposal",
        &format!("/proposals/{}", part(proposal.id.as_str())),
    );
    let case = Case {
        incident: incident.incident,
        around,
        made,
        meanwhile,
        signals,
        detail,
    };
    Ok(Html(page(&frame, &case).into_string()))
}

/// The changes that its author made for it (by its tools, on its services, since it was made), oldest
/// first; and what others changed there meanwhile.
fn split(proposal: &Proposal, changes: Changes) -> (Vec<PastChangeInfo>, Vec<PastChangeInfo>) {
    let calls = &proposal.body.calls;
    let since = |past: &PastChangeInfo| {
        past.at >= proposal.at
            && past.tool != "settle_service"
            && past
                .services
                .iter()
                .any(|service| proposal.services.contains(service))
    };
    let own = |past: &PastChangeInfo| {
        past.principal == proposal.by && calls.iter().any(|call| call.tool == past.tool)
    };
    let touching = changes.changes.into_iter().filter(since);
    let (mut made, meanwhile): (Vec<_>, Vec<_>) = touching.partition(own);
    made.reverse();
    made.truncate(usize::try_from(proposal.done).unwrap_or(usize::MAX));
    (made, meanwhile)
}

fn page(frame: &Frame, case: &Case) -> Markup {
    let proposal = &case.detail.proposal;
    let body = &proposal.body;
    frame.page(&html! {
        p.crumbs { a href="/proposals" { "Proposals" } " / " a href={ "/incidents/" (case.incident.id) } { (foreign(&case.incident.title)) } }
        h1 { (foreign(&body.title)) }
        p { (standing(&proposal.state)) " proposed by " strong { (proposal.by) } " " (time(proposal.at, frame.now)) " · " code { (proposal.id) }
            @if proposal.state == ProposalState::Waiting { " · " a href="#decision" { "Go to the decision" } }
        }
        (progress(frame, case))
        div.columns {
            div {
                section { h2 { "Symptom" } (symptom(frame, case)) }
                section { h2 { "Cause" } (cause(&body.cause, &proposal.by)) }
                @if !body.alternatives.is_empty() {
                    section.said {
                        h2 { "What else was considered" }
                        (bits::said_by(&proposal.by))
                        ul { @for other in &body.alternatives { li { (foreign(other)) } } }
                    }
                }
            }
            div {
                section { h2 { "What it would do" } (change(case)) }
                section { h2 { "What would follow" } (forecast(frame, case.detail.forecast.as_ref(), proposal)) }
                (since(frame, case))
                (decision(frame, case))
                section { h2 { "Undo" } (undo(frame, case)) }
            }
        }
    })
}

/// What others changed of the same services since it was made.
fn since(frame: &Frame, case: &Case) -> Markup {
    html! {
        @if !case.meanwhile.is_empty() {
            section {
                h2 { "Changed since it was proposed" }
                p.quiet { "A yes to what no longer means the same is refused by the gate." }
                ul { @for past in &case.meanwhile { li { (past.summary) " " span.quiet { "by " (past.principal) " " (time(past.at, frame.now)) } } } }
            }
        }
    }
}

fn decision(frame: &Frame, case: &Case) -> Markup {
    let action = format!("/proposals/{}/answer", case.detail.proposal.id);
    html! {
        section.decision #decision {
            h2 { "Decision" }
            @match &case.detail.approval {
                Some(approval) => {
                    (request::asks(frame, approval))
                    (request::answer(frame, approval, &action))
                }
                None => p { "Policy asks nobody: the agent may make these calls by itself." }
            }
        }
    }
}

fn symptom(frame: &Frame, case: &Case) -> Markup {
    let incident = &case.incident;
    html! {
        p { (bits::service(&incident.service)) " since " (time(incident.began_at, frame.now)) }
        @if !incident.symptoms.is_empty() {
            p { @for symptom in &incident.symptoms { (badge(Tone::Warn, &untrusted(symptom))) " " } }
        }
        @if let Some(around) = &case.around {
            details open[around.services.len() < 12] {
                summary { "What is around it" }
                (graph::picture(around, Some(&case.detail.proposal.body.cause.culprit)))
            }
        }
    }
}

fn cause(cause: &Cause, by: &str) -> Markup {
    html! {
        p { strong { (word(&cause.kind)) } " in " (bits::service(&cause.culprit)) }
        (confidence(cause.confidence))
        (foreign_block(by, &cause.explanation))
        h3 { "Evidence" }
        @if cause.evidence.is_empty() { p.quiet { "None is given." } } @else { (bits::said_by(by)) }
        ol.evidence.said { @for one in &cause.evidence { (evidence(one, by)) } }
    }
}

/// From 0 to 1, as a bar and in words.
fn confidence(share: f64) -> Markup {
    let percent = (share.clamp(0.0, 1.0) * 100.0).round();
    html! {
        p.confidence {
            meter min="0" max="100" value=(percent) aria-label="Confidence" { (percent) " %" }
            " " (percent) " % confident"
        }
    }
}

fn evidence(one: &Evidence, by: &str) -> Markup {
    html! {
        li {
            (foreign(&one.claim))
            @if one.untrusted { " " (badge(Tone::Warn, "quotes a workload")) }
            " " a.cite href={ "/calls/" (part(one.call.as_str())) "?by=" (part(by)) } { "recorded call" }
        }
    }
}

fn change(case: &Case) -> Markup {
    let proposal = &case.detail.proposal;
    let body = &proposal.body;
    html! {
        @match &case.detail.approval {
            Some(approval) => (request::calls(&approval.calls)),
            None => ol.calls {
                @for call in &body.calls {
                    li { p { code { (call.tool) } } pre { (untrusted(&serde_json::to_string_pretty(&call.arguments).unwrap_or_default())) } }
                }
            }
        }
        dl.facts {
            @for call in &body.calls { (bits::fact("Why", &foreign(&call.reason))) }
            (bits::fact("Expected", &foreign(&body.expected)))
            (bits::fact("Checked by", &html! {
                (bits::service(&body.verify.service)) " is " (word(&body.verify.state)) " for " (span(body.verify.hold)) ", within " (span(body.verify.within))
            }))
            (bits::fact("Blast radius", &radius(case)))
        }
    }
}

fn radius(case: &Case) -> Markup {
    let named = &case.detail.proposal.services;
    let nodes = case.around.iter().flat_map(|graph| &graph.services);
    let widest = nodes
        .filter(|node| named.contains(&node.service))
        .map(|node| node.blast_radius)
        .max();
    html! {
        @match widest {
            Some(0) => "nobody else would feel its loss",
            Some(1) => "one other service would feel its loss",
            Some(count) => { (count) " other services would feel its loss" },
            None => "not known"
        }
    }
}

fn forecast(frame: &Frame, told: Option<&Foretold>, proposal: &Proposal) -> Markup {
    let Some(told) = told else {
        let words = if proposal.done > 0 {
            "It was begun; what happens now is below the title."
        } else {
            "Nothing is foretold of what is over."
        };
        return html! { p.quiet { (words) } };
    };
    html! {
        p { (told.words) }
        p.quiet { "Tried on a fork of revision " (told.revision) " " (time(told.at, frame.now)) "." }
        @if let Some(forecast) = &told.forecast {
            @for violation in &forecast.violations { p { (badge(Tone::Bad, "breaks an invariant")) " " (violation) } }
            dl.facts {
                (bits::fact("Disturbed", &html! { (many(forecast.disturbed.len(), "instance")) }))
                @if !forecast.resized.is_empty() { (bits::fact("Resized in place", &html! { (many(forecast.resized.len(), "instance")) })) }
                @for (service, least) in &forecast.least_ready {
                    (bits::fact("Fewest ready", &html! { (service) ": " (least) " of " (forecast.ready_before.get(service).copied().unwrap_or(0)) }))
                }
                (bits::fact("Comes to rest", &html! { @if forecast.comes_to_rest { "after " (span(forecast.took)) } @else { "not within " (span(forecast.took)) } }))
            }
            details {
                summary { (many(forecast.steps.len(), "step")) ", " (many(forecast.assumptions.len(), "assumption")) }
                ol.steps { @for step in forecast.steps.iter().take(60) { li { span.after { "+" (step.after) } " " (untrusted(&step.what)) } } }
                ul { @for words in &forecast.assumptions { li { (words) } } }
            }
        }
    }
}

fn undo(frame: &Frame, case: &Case) -> Markup {
    let proposal = &case.detail.proposal;
    html! {
        @if case.made.is_empty() {
            p { "If it does not verify, the agent takes it back by itself. Every change keeps its exact inverse: anybody whom policy permits can take it back later." }
        }
        ul.rows {
            @for past in &case.made {
                li.row {
                    div.what { (past.summary) p.quiet { "revision " (past.revision) " · " (time(past.at, frame.now)) } }
                    div.when {
                        @if !past.undoable { span.quiet { "cannot be taken back" } }
                        @else if proposal.state == ProposalState::Undone { span.quiet { "was taken back" } }
                        @else if frame.may.tool("undo_change") {
                            (frame.button("/undo", &[("revision", &past.revision.to_string())], "Undo", "undo"))
                        }
                    }
                }
            }
        }
    }
}

/// The steps a proposal goes through, and where it stands.
fn progress(frame: &Frame, case: &Case) -> Markup {
    use ProposalState::{Acting, Approved, Verified, Verifying, Waiting};
    let proposal = &case.detail.proposal;
    let path = [Waiting, Approved, Acting, Verifying, Verified];
    let here = path.iter().position(|state| *state == proposal.state);
    html! {
        @if let Some(here) = here {
            ol.progress {
                @for (index, state) in path.iter().enumerate() {
                    li class=[(index < here).then_some("past")] aria-current=[(index == here).then_some("step")] { (word(state)) }
                }
            }
        }
        @if let Some(outcome) = &proposal.outcome { p.outcome { (foreign(outcome)) } }
        @if proposal.done > 0 {
            @let marks: Vec<Mark> = case.made.iter().map(|past| Mark { at: past.at, what: past.summary.clone() }).collect();
            section {
                h2 { "Since it was carried out" }
                (measured::plots(&case.signals, &marks))
                details open[proposal.state != Verified] {
                    summary { "What happened" }
                    (super::incident::timeline(frame, &case.incident))
                }
            }
        }
    }
}
