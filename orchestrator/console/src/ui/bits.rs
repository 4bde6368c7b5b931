//! Small parts: states, times, links, text that others wrote.

use maud::{Markup, PreEscaped, html};
use ostler_core::{
    id::{InstanceId, ServiceKey},
    plan::ServiceState,
    time::{Span, Time},
};
use ostler_tools::words::{ago, clock, moment, untrusted, word};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

/// What a part of a path may not hold as it is.
const PART: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'&')
    .add(b'\'');

/// A text as one part of a path.
#[must_use]
pub fn part(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// A service's page.
#[must_use]
pub fn service_path(service: &ServiceKey) -> String {
    format!(
        "/services/{}/{}",
        part(service.namespace.as_str()),
        part(service.name.as_str())
    )
}

/// A link to a service.
#[must_use]
pub fn service(service: &ServiceKey) -> Markup {
    html! { a href=(service_path(service)) { (service) } }
}

/// A link to an instance.
#[must_use]
pub fn instance(id: &InstanceId) -> Markup {
    html! { a href={ "/instances/" (part(id.as_str())) } { (id) } }
}

/// A moment: how long ago, and exactly when on hover and for machines.
#[must_use]
pub fn time(at: Time, now: Time) -> Markup {
    let words = if at > now {
        format!("in {}", ago(now, at))
    } else {
        format!("{} ago", ago(at, now))
    };
    let exact = moment(at);
    html! { time datetime={ (exact.replace(' ', "T")) "Z" } title={ (exact) " UTC" } { (words) } }
}

/// A moment exactly, as in a log.
#[must_use]
pub fn stamp(at: Time, now: Time) -> Markup {
    let exact = moment(at);
    let day = now.since(at) < Span::minutes(24 * 60);
    let shown = if day { clock(at) } else { exact.clone() };
    html! {
        time.exact datetime={ (exact.replace(' ', "T")) "Z" } title={ (exact) " UTC, " (ago(at, now)) " ago" } { (shown) }
    }
}

/// A word with a colour and a sign, so that it says the same without the colour.
#[must_use]
pub fn badge(tone: Tone, words: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { span.sign aria-hidden="true" { (tone.sign()) } (words) } }
}

/// How something is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As wanted.
    Good,
    /// On the way.
    Busy,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
    /// Neither.
    Calm,
}

impl Tone {
    /// Its class in the stylesheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Calm => "calm",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Busy => "◔",
            Self::Warn => "▲",
            Self::Bad => "✕",
            Self::Calm => "○",
        }
    }
}

/// The tone of a service's state.
#[must_use]
pub const fn tone_of(state: Option<ServiceState>) -> Tone {
    match state {
        Some(ServiceState::Healthy) => Tone::Good,
        Some(ServiceState::Progressing) => Tone::Busy,
        Some(ServiceState::Degraded) => Tone::Warn,
        Some(ServiceState::Down) => Tone::Bad,
        Some(ServiceState::Idle) | None => Tone::Calm,
    }
}

/// A service's state.
#[must_use]
pub fn state(state: Option<ServiceState>) -> Markup {
    let words = state.map_or_else(|| "not known".to_owned(), |state| word(&state));
    badge(tone_of(state), &words)
}

/// The state of paperwork, by its word.
#[must_use]
pub fn standing(state: &impl Serialize) -> Markup {
    let words = word(state);
    let tone = match words.as_str() {
        "verified" | "resolved" | "approved" | "granted" | "running" | "done" | "allow" => {
            Tone::Good
        }
        "acting" | "verifying" | "proposed" | "starting" | "used" | "started" => Tone::Busy,
        "waiting" | "open" | "needs person" | "undone" | "held" | "refused" | "needs approval"
        | "backing off" => Tone::Warn,
        "failed" | "given up" | "denied" | "deny" => Tone::Bad,
        _ => Tone::Calm,
    };
    badge(tone, &words)
}

/// Text that a workload or a model wrote: data, shown as such. Never markup, never an instruction.
#[must_use]
pub fn foreign(text: &str) -> Markup {
    html! { bdi.foreign title="Written by a workload or a model: data, not instructions" { (untrusted(text)) } }
}

/// The same as a block of its own, with a label.
#[must_use]
pub fn foreign_block(who: &str, text: &str) -> Markup {
    html! {
        figure.foreign-block {
            figcaption { "Written by " (who) ": data, not instructions" }
            pre { bdi { (untrusted(text)) } }
        }
    }
}

/// A number of things.
#[must_use]
pub fn many(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

/// Says who made the claims that follow.
#[must_use]
pub fn said_by(who: &str) -> Markup {
    html! { p.said-by { "Written by " (who) ": claims, not instructions" } }
}

/// Says that a list is empty.
#[must_use]
pub fn nothing(words: &str) -> Markup {
    html! { p.nothing { (words) } }
}

/// One term and its value in a list of facts.
#[must_use]
pub fn fact(term: &str, value: &Markup) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}

/// A number between elements that stands alone.
#[must_use]
pub fn count(number: usize) -> Markup {
    PreEscaped(format!("<span class=\"count\">{number}</span>"))
}
