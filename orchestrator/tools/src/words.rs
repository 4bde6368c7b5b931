//! Things in words, the same wherever people read them: the command line and the console.

use ostler_core::{
    event::Happening,
    id::ServiceKey,
    plan::Finding,
    time::{Span, Time},
};
use serde::Serialize;

/// How long ago, in one or two units: `42s`, `3m`, `5h12m`, `9d`.
#[must_use]
pub fn ago(at: Time, now: Time) -> String {
    let seconds = now.since(at).0 / 1_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// The time of day in UTC, `14:03:22`.
#[must_use]
pub fn clock(at: Time) -> String {
    let seconds = at.0 / 1_000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds % 3_600 / 60,
        seconds % 60
    )
}

/// Date and time of day in UTC, `2026-11-22 14:03:22`. The date by Howard Hinnant's `civil_from_days`.
#[must_use]
pub fn moment(at: Time) -> String {
    let days = i64::try_from(at.0 / 86_400_000).unwrap_or(0) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {}", clock(at))
}

/// Bytes with a binary unit: `12.3 MiB`.
#[must_use]
pub fn bytes(count: f64) -> String {
    let mut value = count;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1_024.0 {
            return if unit == "B" {
                format!("{value:.0} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1_024.0;
    }
    format!("{value:.1} TiB")
}

/// Bytes as a whole number with a binary unit.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub fn size(count: u64) -> String {
    bytes(count as f64)
}

/// A span without its small parts.
#[must_use]
pub fn span(span: Span) -> String {
    if span.0 >= 10_000 {
        Span(span.0 / 1_000 * 1_000).to_string()
    } else {
        span.to_string()
    }
}

/// The word of a plain enum as it is written in JSON: `needs_person` → `needs person`.
#[must_use]
pub fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or("?").replace('_', " ")
}

/// `default/web` as `web`: the namespace is shown where it is not the usual one.
#[must_use]
pub fn short(service: &ServiceKey) -> String {
    if service.namespace.as_str() == "default" {
        service.name.to_string()
    } else {
        service.to_string()
    }
}

/// Whether a character would move the cursor, or turn the direction in which text is read.
fn is_unsafe(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\t')
}

/// Text of a workload or a caller for a terminal: control characters, escapes and marks that turn
/// the direction of reading are shown as `�`.
#[must_use]
pub fn untrusted(text: &str) -> String {
    text.chars()
        .map(|c| if is_unsafe(c) { '\u{fffd}' } else { c })
        .collect()
}

/// What the rules found, in words.
#[must_use]
pub fn finding(finding: &Finding, now: Time) -> String {
    match finding {
        Finding::WaitsFor { needs } => {
            format!(
                "waits for {}",
                needs.iter().map(short).collect::<Vec<_>>().join(", ")
            )
        }
        Finding::CrashLoop {
            instance,
            failures,
            retry_at,
        } => {
            format!(
                "{instance} fails again and again ({failures} times); tried again at {}",
                clock(*retry_at)
            )
        }
        Finding::CannotStart {
            instance,
            problem,
            retry_at,
        } => {
            format!(
                "{instance} cannot start: {}; tried again at {}",
                word(problem),
                clock(*retry_at)
            )
        }
        Finding::NotReady { instance, since } => {
            format!("{instance} runs but is not ready, for {}", ago(*since, now))
        }
        Finding::Rollout {
            generation,
            deadline,
        } => {
            format!(
                "generation {generation} is on its way in, until {} at the latest",
                clock(*deadline)
            )
        }
        Finding::NotResized {
            instance,
            why,
            retry_at,
        } => {
            format!(
                "{instance} keeps its earlier resources: {}; tried again at {}",
                why.in_words(),
                clock(*retry_at)
            )
        }
        Finding::NoRoom { missing } => format!("no node has room for {missing} more"),
    }
}

/// What happened, in words.
#[must_use]
pub fn happening(what: &Happening) -> String {
    match what {
        Happening::Placed { generation } => format!("placed, generation {generation}"),
        Happening::Started { attempt, took } => format!("started, attempt {attempt}, in {took}"),
        Happening::Exited { exit, words } => {
            let asked = if exit.asked { ", asked for" } else { "" };
            format!("exited: {words} after {}{asked}", span(exit.ran))
        }
        Happening::StartFailed { problem } => {
            format!(
                "start failed: {}: {}",
                word(&problem.kind),
                untrusted(&problem.detail)
            )
        }
        Happening::Restarting { attempt, reason } => {
            format!("restarting, attempt {attempt}: {}", word(reason))
        }
        Happening::Resized { generation, words } => {
            format!("resized in place to generation {generation}: {words}")
        }
        Happening::NotResized { why, detail, .. } => {
            format!("not resized, {}: {}", why.in_words(), untrusted(detail))
        }
        Happening::Stopping { reason } => format!("stopping: {}", word(reason)),
        Happening::Removed => "removed".to_owned(),
        Happening::NotAdopted { problem } => format!("not adopted: {}", untrusted(&problem.detail)),
        Happening::Probed {
            probe,
            passes: true,
            ..
        } => format!("{probe} probe passes"),
        Happening::Probed { probe, detail, .. } => {
            format!("{probe} probe fails: {}", untrusted(detail))
        }
        Happening::StateChanged { from, to } => {
            let from = from.map_or_else(|| "new".to_owned(), |from| word(&from));
            format!("{from} → {}", word(to))
        }
        Happening::Changed {
            tool,
            principal,
            summary,
            revision,
        } => {
            format!("changed by {principal} ({tool}, revision {revision}): {summary}")
        }
        Happening::SentBack { generation, why } => {
            format!("generation {generation} goes back: {why}")
        }
        Happening::Unjudged { generation, why } => {
            format!("generation {generation} is kept unjudged: {why}")
        }
        Happening::PlanRefused { violations } => {
            format!("a plan was not executed: {}", violations.join("; "))
        }
        Happening::Configured { what } => what.clone(),
        Happening::Agent { agent, what } => format!("agent {agent}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_people_know() {
        assert_eq!(moment(Time(0)), "1970-01-01 00:00:00");
        assert_eq!(moment(Time(951_782_400_000)), "2000-02-29 00:00:00");
        assert_eq!(moment(Time(1_795_356_202_999)), "2026-11-22 14:03:22");
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(size(64 << 20), "64.0 MiB");
        assert_eq!(span(Span(83_217)), "1m23s");
        assert_eq!(span(Span(1_250)), "1s250ms");
    }

    #[test]
    fn escapes_of_workloads_do_not_reach_the_terminal() {
        assert_eq!(untrusted("a\u{1b}[2Jb\tc"), "a\u{fffd}[2Jb\tc");
        assert_eq!(untrusted("yes\u{202e}on"), "yes\u{fffd}on");
    }
}
