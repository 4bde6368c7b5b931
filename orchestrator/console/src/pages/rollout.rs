//! How a new version comes in: where it stands, what it waits for, who gets which share, and the four ways
//! to have a say in it.

use maud::{Markup, html};
use ostler_core::plan::Judged;
use ostler_tools::{
    answer::RolloutInfo,
    words::{span, untrusted},
};

use crate::ui::{
    bits::{self, Tone, badge, fact, time},
    frame::Frame,
};

/// What somebody may do with a rollout: the tool, the form's word, the button's.
const ACTS: [(&str, &str, &str); 4] = [
    ("promote_rollout", "promote", "Promote"),
    ("pause_rollout", "pause", "Hold"),
    ("resume_rollout", "resume", "Go on"),
    ("abort_rollout", "abort", "Go back"),
];

/// The part of a service's page; nothing where no version is on its way in.
pub(super) fn section(frame: &Frame, info: &RolloutInfo) -> Markup {
    html! {
        @if info.under_way {
            section #rollout {
                h2 { "Rollout of generation " (info.generation) }
                div.head {
                    (badge(tone(info), &info.stands))
                    span.quiet { (info.strategy) " · since " (time(info.since, frame.now)) }
                    (buttons(frame, info))
                }
                dl.facts { (facts(frame, info)) }
            }
        }
    }
}

fn tone(info: &RolloutInfo) -> Tone {
    if info.paused.is_some() || info.awaits_promotion {
        Tone::Warn
    } else {
        Tone::Calm
    }
}

fn facts(frame: &Frame, info: &RolloutInfo) -> Markup {
    html! {
        (fact("New", &html! { code { (untrusted(&info.image)) } }))
        @if let Some(image) = &info.last_good_image { (fact("Last good", &html! { code { (untrusted(image)) } })) }
        @if info.awaits_promotion { (fact("Waits for", &html! { "somebody to promote it" })) }
        @if info.bake.0 > 0 { (fact("Bakes for", &html! { (span(info.bake)) })) }
        @if let Some(deadline) = info.deadline {
            @if info.ends_unjudged() {
                (fact("Ends", &html! { (time(deadline, frame.now)) ", unjudged, unless its traffic tells before" }))
            } @else {
                (fact("Goes back", &html! { (time(deadline, frame.now)) " unless it moves on" }))
            }
        }
        @if let Some(judged) = &info.analysis { (fact("Analysis", &analysis(judged))) }
        @for version in &info.traffic {
            (fact("Traffic", &html! {
                "generation " (version.generation) ": " (version.weight / 100) " %, "
                (bits::many(version.instances.len(), "instance"))
            }))
        }
    }
}

/// How the new version does: the verdict, and each measure with its numbers.
fn analysis(judged: &Judged) -> Markup {
    html! {
        (judged.headline())
        @if let Some(judgement) = judged.judgement() {
            ul {
                @for finding in &judgement.findings {
                    li { (finding.measure.in_words()) ": " (finding.verdict.in_words()) ": " (finding.words) }
                }
            }
        }
    }
}

/// Only what fits how it stands, and what policy could permit whoever looks.
fn buttons(frame: &Frame, info: &RolloutInfo) -> Markup {
    let path = format!("{}/rollout", bits::service_path(&info.service));
    let generation = info.generation.0.to_string();
    let fits = |act: &str| match act {
        "pause" => info.paused.is_none(),
        "resume" => info.paused.is_some(),
        _ => true,
    };
    html! {
        @for (tool, act, words) in ACTS {
            @if fits(act) && frame.may.tool(tool) {
                (frame.button(&path, &[("do", act), ("generation", &generation)], words, "plain"))
            }
        }
    }
}
