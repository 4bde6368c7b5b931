//! When changes may be made, as the file of `--config` says it: freezes of whole days, weekly windows.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use chrono::NaiveDate;
use ostler_core::{id::Namespace, law::Freeze, time::Time};
use ostler_gate::{Calendar, Window};
use serde::Deserialize;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Most freezes, and most windows.
const LIMIT: usize = 100;

/// A freeze as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreezeEntry {
    /// The first day, such as `2026-12-23`.
    from: String,
    /// The last day.
    until: String,
    /// Why.
    #[serde(default)]
    reason: String,
    #[serde(default)]
    namespaces: BTreeSet<Namespace>,
}

/// A window as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowEntry {
    /// `mon` to `sun`.
    days: Vec<String>,
    /// The first hour, UTC, from 0 to 23.
    from_hour: u8,
    /// The hour in which it is over, UTC, from 1 to 24.
    until_hour: u8,
    #[serde(default)]
    namespaces: BTreeSet<Namespace>,
}

/// Checks what is written.
pub(crate) fn calendar(
    freezes: Vec<FreezeEntry>,
    windows: Vec<WindowEntry>,
) -> anyhow::Result<Calendar> {
    if freezes.len() > LIMIT || windows.len() > LIMIT {
        bail!("`freezes` and `change_windows`: {LIMIT} of each at most");
    }
    Ok(Calendar {
        freezes: freezes.into_iter().map(freeze).collect::<Result<_, _>>()?,
        windows: windows.into_iter().map(window).collect::<Result<_, _>>()?,
    })
}

fn freeze(entry: FreezeEntry) -> anyhow::Result<Freeze> {
    let (from, last) = (day("from", &entry.from)?, day("until", &entry.until)?);
    if last < from {
        bail!(
            "`freezes`: `until` ({}) is before `from` ({})",
            entry.until,
            entry.from
        );
    }
    Ok(Freeze {
        from,
        until: Time(last.0 + 86_400_000),
        namespaces: entry.namespaces,
        reason: entry.reason,
    })
}

/// When a day begins, UTC.
fn day(field: &str, text: &str) -> anyhow::Result<Time> {
    let refuse = || {
        let shown: String = text.chars().take(40).collect();
        format!("`freezes`: `{field}` is `{shown}`; write a day such as 2026-12-23")
    };
    let day: NaiveDate = text.parse().with_context(refuse)?;
    let begins = day
        .and_time(chrono::NaiveTime::MIN)
        .and_utc()
        .timestamp_millis();
    Ok(Time(u64::try_from(begins).with_context(refuse)?))
}

fn window(entry: WindowEntry) -> anyhow::Result<Window> {
    let mut days = BTreeSet::new();
    for day in &entry.days {
        let at = DAYS.iter().position(|name| name == day);
        let number = at.and_then(|at| u8::try_from(at + 1).ok());
        let shown: String = day.chars().take(20).collect();
        let refuse = || {
            format!(
                "`change_windows`: `{shown}` is no day; write {}",
                DAYS.join(", ")
            )
        };
        days.insert(number.with_context(refuse)?);
    }
    let (from, until) = (entry.from_hour, entry.until_hour);
    if days.is_empty() || from >= until || until > 24 {
        bail!(
            "`change_windows`: a window has at least one day, and hours with 0 ≤ from_hour < until_hour ≤ 24; \
             not {from} to {until}"
        );
    }
    Ok(Window {
        days,
        from_hour: from,
        until_hour: until,
        namespaces: entry.namespaces,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn read(text: &str) -> anyhow::Result<Calendar> {
        Settings::parse(text, std::path::Path::new(".")).map(|settings| settings.calendar)
    }

    #[test]
    fn days_are_whole_and_windows_have_hours() {
        let calendar = read(
            "freezes: [{from: 2026-12-23, until: 2027-01-02, namespaces: [shop]}]\n\
             change_windows: [{days: [mon, thu], from_hour: 8, until_hour: 18}]",
        )
        .unwrap();
        let freeze = &calendar.freezes[0];
        assert_eq!(freeze.from, Time(1_797_984_000_000));
        assert_eq!(freeze.until.0 - freeze.from.0, 11 * 86_400_000);
        assert_eq!(calendar.windows[0].days, BTreeSet::from([1, 4]));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (text, named) in [
            (
                "freezes: [{from: christmas, until: 2027-01-02}]",
                "christmas",
            ),
            ("freezes: [{from: 2027-01-02, until: 2026-12-23}]", "before"),
            (
                "change_windows: [{days: [monday], from_hour: 8, until_hour: 18}]",
                "monday",
            ),
            (
                "change_windows: [{days: [mon], from_hour: 18, until_hour: 8}]",
                "18 to 8",
            ),
            (
                "change_windows: [{days: [], from_hour: 8, until_hour: 18}]",
                "one day",
            ),
            (
                "freezes: [{from: 2026-12-23, until: 2027-01-02, because: x}]",
                "because",
            ),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
