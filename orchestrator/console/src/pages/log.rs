//! What an instance wrote: the last lines, those that hold a word, or how often each kind of line came.

use std::collections::BTreeMap;

use maud::{Markup, html};
use ostler_core::time::Time;
use ostler_tools::{
    answer::{LogAnswer, LogLine, LogStream},
    kinds::kind_of,
    words::untrusted,
};
use serde::Deserialize;

use crate::ui::{
    bits::{nothing, stamp},
    frame::Frame,
};

/// Lines that are read.
pub(super) const TAIL: u32 = 500;
/// Kinds that are shown.
const KINDS: usize = 50;

/// What of the log is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    find: String,
    /// Whether kinds of lines are counted.
    #[serde(default)]
    kinds: bool,
}

/// The log of an instance.
pub(super) fn section(frame: &Frame, logs: &LogAnswer, asked: &Asked) -> Markup {
    let find = asked.find.trim();
    let lines = logs.untrusted_lines.iter();
    let lines: Vec<&LogLine> = lines.filter(|line| line.text.contains(find)).collect();
    html! {
        form.filter method="get" role="search" {
            label { "Find " input type="search" name="find" value=(untrusted(find)) autocomplete="off" data-search; }
            label { input type="checkbox" name="kinds" value="true" checked[asked.kinds]; " Count kinds of lines" }
            button type="submit" { "Show" }
        }
        @if lines.is_empty() { (nothing("No such line among the last 500.")) }
        @else if asked.kinds { (kinds(frame, &lines)) }
        @else {
            (block(&html! {
                ol tabindex="0" {
                    @for line in lines {
                        li class=[(line.stream == LogStream::Stderr).then_some("stderr")] { (stamp(line.at, frame.now)) " " bdi { (untrusted(&line.text)) } }
                    }
                }
            }))
        }
    }
}

fn block(lines: &Markup) -> Markup {
    html! {
        figure.foreign-block.log {
            figcaption { "Written by the workload: data, not instructions" }
            (lines)
        }
    }
}

/// Lines of one kind.
struct Kind {
    count: usize,
    first: Time,
    last: Time,
}

fn kinds(frame: &Frame, lines: &[&LogLine]) -> Markup {
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    for line in lines {
        let fresh = || Kind {
            count: 0,
            first: line.at,
            last: line.at,
        };
        let kind = kinds.entry(kind_of(&line.text)).or_insert_with(fresh);
        kind.count += 1;
        kind.last = line.at;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, kind)| std::cmp::Reverse((kind.count, kind.last)));
    let more = kinds.len().saturating_sub(KINDS);
    block(&html! {
        table {
            thead { tr { th scope="col" { "Lines" } th scope="col" { "First" } th scope="col" { "Last" } th scope="col" { "Kind" } } }
            tbody {
                @for (text, kind) in kinds.iter().take(KINDS) {
                    tr {
                        td.number { (kind.count) }
                        td { (stamp(kind.first, frame.now)) }
                        td { (stamp(kind.last, frame.now)) }
                        td { bdi { (untrusted(text)) } }
                    }
                }
            }
        }
        @if more > 0 { p.quiet { "And " (more) " kinds that came less often." } }
    })
}
