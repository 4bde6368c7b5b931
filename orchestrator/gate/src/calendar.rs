//! When changes may be made, and how many were: what policy is told of the moment.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, PoisonError, RwLock},
};

use ostler_core::{
    id::Namespace,
    law::{Freeze, Law},
    time::{Span, Time},
};
use ostler_tools::{
    contract::About,
    principal::{Principal, Role},
    record::Records,
};

use crate::ports::PastChange;

/// How far back changes are counted.
const BACK: Span = Span::minutes(60);
/// How many changes are remembered at most; beyond, the oldest are forgotten.
pub(crate) const REMEMBERED: u32 = 2_048;

/// Hours of a week in which changes may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Days, Monday is 1.
    pub days: BTreeSet<u8>,
    /// From this hour, UTC.
    pub from_hour: u8,
    /// Until just before this one, UTC.
    pub until_hour: u8,
    /// Of these namespaces only; of everything when empty.
    pub namespaces: BTreeSet<Namespace>,
}

/// Freezes and windows. Without any, changes may be made at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// When nothing may be changed.
    pub freezes: Vec<Freeze>,
    /// When something may. What no window speaks of may be changed at any time.
    pub windows: Vec<Window>,
}

impl Calendar {
    /// Whether changes to what is touched are frozen, by this calendar or by a freeze that people called, or out
    /// of every window that speaks of it.
    #[must_use]
    pub fn frozen(&self, about: &About, law: &Law, now: Time) -> bool {
        let touched: BTreeSet<&Namespace> = (about.services.iter().map(|key| &key.namespace))
            .chain(&about.namespace)
            .collect();
        let mut freezes = self.freezes.iter().chain(law.freezes.values());
        let mut windows = self
            .windows
            .iter()
            .filter(|window| window.speaks_of(&touched))
            .peekable();
        freezes.any(|freeze| freeze.holds(&touched, now))
            || (windows.peek().is_some() && !windows.any(|window| window.open(now)))
    }
}

impl Window {
    fn speaks_of(&self, touched: &BTreeSet<&Namespace>) -> bool {
        let of = &self.namespaces;
        of.is_empty() || of.iter().any(|namespace| touched.contains(namespace))
    }

    fn open(&self, now: Time) -> bool {
        let hours = now.0 / 3_600_000;
        // 1970-01-01 was a Thursday; Monday is 1.
        let day = u8::try_from((hours / 24 + 3) % 7 + 1).unwrap_or(0);
        let hour = u8::try_from(hours % 24).unwrap_or(0);
        self.days.contains(&day) && self.from_hour <= hour && hour < self.until_hour
    }
}

/// The calendar in force.
#[derive(Debug, Default)]
pub(crate) struct InForce(RwLock<Calendar>);

impl InForce {
    pub(crate) fn set(&self, calendar: Calendar) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = calendar;
    }

    pub(crate) fn frozen(&self, about: &About, law: &Law, now: Time) -> bool {
        let calendar = self.0.read().unwrap_or_else(PoisonError::into_inner);
        calendar.frozen(about, law, now)
    }
}

/// Who changed something lately, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Lately(Mutex<VecDeque<(Time, String)>>);

impl Lately {
    /// Of the history, newest first.
    pub(crate) fn of(past: Vec<PastChange>) -> Self {
        let past = past.into_iter().rev();
        Self(Mutex::new(
            past.map(|one| (one.at, one.principal)).collect(),
        ))
    }

    /// Remembers a change.
    pub(crate) fn made(&self, past: &PastChange) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |held: &VecDeque<(Time, String)>| {
            held.len() >= REMEMBERED as usize
                || held
                    .front()
                    .is_some_and(|(at, _)| past.at.since(*at) > BACK)
        };
        while old(&held) {
            held.pop_front();
        }
        held.push_back((past.at, past.principal.clone()));
    }

    /// How many changes a caller made within the last hour.
    pub(crate) fn by(&self, caller: &Principal, now: Time) -> i64 {
        let caller = caller.to_string();
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = held
            .iter()
            .rev()
            .take_while(|(at, _)| now.since(*at) <= BACK);
        let theirs = theirs.filter(|(_, by)| *by == caller).count();
        i64::try_from(theirs).unwrap_or(i64::MAX)
    }
}

/// Whether somebody other than the caller holds a token as an admin.
pub(crate) fn second_admin(caller: &Principal, records: &Records, now: Time) -> bool {
    let me = match caller {
        Principal::User { name, .. } => name.as_str(),
        Principal::Assistant { of, .. } => of.as_str(),
        _ => "",
    };
    (records.tokens.values()).any(|token| {
        token.name != me && token.expires_at > now && token.roles.contains(&Role::Admin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn about(service: &str) -> About {
        About {
            services: vec![service.parse().unwrap()],
            namespace: None,
        }
    }

    #[test]
    fn a_freeze_begins_ends_and_is_of_its_namespaces() {
        let freeze = Freeze {
            from: Time(10),
            until: Time(20),
            namespaces: BTreeSet::from(["shop".parse().unwrap()]),
            reason: String::new(),
        };
        let mut calendar = Calendar {
            freezes: vec![freeze],
            windows: Vec::new(),
        };
        for (service, now, frozen) in [
            ("shop/cart", 9, false),
            ("shop/cart", 10, true),
            ("shop/cart", 19, true),
            ("shop/cart", 20, false),
            ("other/cart", 15, false),
        ] {
            assert_eq!(
                calendar.frozen(&about(service), &Law::default(), Time(now)),
                frozen,
                "{service} {now}"
            );
        }
        assert!(!calendar.frozen(&About::fleet(), &Law::default(), Time(15)));
        calendar.freezes[0].namespaces.clear();
        assert!(calendar.frozen(&About::fleet(), &Law::default(), Time(15)));
    }

    #[test]
    fn outside_of_every_window_is_frozen() {
        let window = |days: &[u8], from_hour, until_hour| Window {
            days: days.iter().copied().collect(),
            from_hour,
            until_hour,
            namespaces: BTreeSet::new(),
        };
        let calendar = Calendar {
            freezes: Vec::new(),
            windows: vec![window(&[1, 2, 3, 4], 8, 18), window(&[5], 8, 12)],
        };
        // Thursday, 1 January 1970, and the Friday after it.
        for (hours, frozen) in [
            (7, true),
            (8, false),
            (17, false),
            (18, true),
            (35, false),
            (36, true),
            (60, true),
        ] {
            assert_eq!(
                calendar.frozen(&about("shop/cart"), &Law::default(), Time(hours * HOUR)),
                frozen,
                "{hours}"
            );
        }
    }
}
