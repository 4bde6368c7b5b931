//! What differs, line by line.

use maud::{Markup, html};
use ostler_core::facts::DiffLine;
use ostler_tools::words::untrusted;

/// Lines of a difference; signs say what colours say.
#[must_use]
pub fn lines(lines: &[DiffLine]) -> Markup {
    html! {
        div.diff {
            @for line in lines {
                div.field { (line.path) }
                @if let Some(from) = &line.from { div.from { span.sign { "−" } bdi { (untrusted(from)) } } }
                @if let Some(to) = &line.to { div.to { span.sign { "+" } bdi { (untrusted(to)) } } }
            }
        }
    }
}
