//! How many calls a caller may make in a minute. Beyond, calls are refused without a leaf of their
//! own, and one leaf says how many there were: no caller can fill the disk with refusals.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ostler_core::{
    id::CallId,
    time::{Span, Time},
};
use ostler_tools::{answer::AuditEntry, principal::Principal};
use serde_json::{Value, json};

use crate::{answer::Outcome, door::Gate};

/// How long a window is.
pub(crate) const WINDOW: Span = Span::minutes(1);
/// The tool that the leaf of a flood names.
const FLOOD: &str = "(more calls)";
/// Callers that are remembered at once; those whose window is over are forgotten first.
const CALLERS: usize = 1_024;

/// Calls of one caller in one minute.
#[derive(Debug, Default)]
pub(crate) struct Window {
    began: Time,
    seen: u32,
    missed: u64,
}

/// What becomes of one more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It goes on; so many before it did not.
    Admit { missed: u64 },
    /// It is counted. The first of them sees to it that the count is told.
    Count { first: bool },
}

impl Window {
    /// Counts one more; a clock that jumped back begins a new window.
    pub(crate) fn admit(&mut self, now: Time, most: u32) -> Next {
        if now.since(self.began) >= WINDOW || now < self.began {
            (self.began, self.seen) = (now, 0);
        }
        self.seen = self.seen.saturating_add(1);
        if self.seen <= most {
            return Next::Admit {
                missed: self.take_missed(),
            };
        }
        self.missed = self.missed.saturating_add(1);
        Next::Count {
            first: self.missed == 1,
        }
    }

    pub(crate) fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }
}

/// The windows of those who called lately.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    windows: Mutex<BTreeMap<String, Window>>,
}

impl Flood {
    fn admit(&self, caller: &str, now: Time, most: u32) -> Next {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= CALLERS && !windows.contains_key(caller) {
            windows.retain(|_, window| window.missed > 0 || now.since(window.began) < WINDOW);
        }
        if let Some(window) = windows.get_mut(caller) {
            return window.admit(now, most);
        }
        let window = windows.entry(caller.to_owned()).or_default();
        window.admit(now, most)
    }

    /// Callers with calls that nothing was recorded of yet.
    fn take_missed(&self) -> Vec<(String, u64)> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = windows.iter_mut().map(|(caller, window)| {
            let missed = window.take_missed();
            (caller.clone(), missed)
        });
        missed.filter(|(_, missed)| *missed > 0).collect()
    }
}

impl Gate {
    /// The refusal of one call too many.
    pub(crate) fn too_many(self: &Arc<Self>, caller: &Principal) -> Option<Outcome> {
        let most = match caller {
            Principal::System => return None,
            Principal::Agent { .. } | Principal::Assistant { .. } => self.limits.agent_calls,
            Principal::User { .. } | Principal::Anonymous => self.limits.person_calls,
        };
        let name = caller.to_string();
        match self.flood.admit(&name, self.clock.now(), most) {
            Next::Admit { missed: 0 } => return None,
            Next::Admit { missed } => {
                let gate = Arc::clone(self);
                tokio::spawn(async move { gate.tell_flood(name, missed).await });
                return None;
            }
            Next::Count { first: true } => self.tell_floods_later(),
            Next::Count { first: false } => {}
        }
        let words = format!(
            "{name} made more than {most} calls within a minute; wait, and call less often"
        );
        Some(Outcome::Refused { words })
    }

    /// After the window a leaf says how many were refused, also if none comes any more.
    fn tell_floods_later(self: &Arc<Self>) {
        let gate = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(WINDOW.0)).await;
            if let Some(gate) = gate.upgrade() {
                gate.tell_floods().await;
            }
        });
    }

    /// Records how many calls were refused of which nothing was recorded yet.
    pub(crate) async fn tell_floods(&self) {
        for (caller, missed) in self.flood.take_missed() {
            self.tell_flood(caller, missed).await;
        }
    }

    async fn tell_flood(&self, caller: String, missed: u64) {
        let words = format!(
            "{missed} more calls were refused and not recorded one by one: too many within a minute"
        );
        let leaf = leaf(
            self.clock.now(),
            None,
            (caller, FLOOD),
            json!({ "calls": missed }),
            ("refused", words),
        );
        if let Err(words) = self.enqueue(leaf, None).await {
            tracing::error!(words, missed, "a flood of calls could not be recorded");
        }
    }
}

/// A leaf of something that was turned away unseen.
pub(crate) fn leaf(
    at: Time,
    call: Option<CallId>,
    (principal, tool): (String, &str),
    arguments: Value,
    (outcome, words): (&str, String),
) -> AuditEntry {
    AuditEntry {
        index: 0,
        at,
        call,
        principal,
        tool: tool.to_owned(),
        arguments,
        decision: None,
        policies: Vec::new(),
        outcome: outcome.to_owned(),
        words,
        services: Vec::new(),
        revision: None,
        approval: None,
        judged: None,
    }
}
