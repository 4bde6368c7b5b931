//! Calls of nobody: denied before anything of them is looked at, on record in bounded number.
//!
//! What strangers send is never kept, only its hash and length. A flood of them leaves a few leaves
//! a minute and one that says how many more there were: it cannot fill the disk.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ostler_core::{
    id::CallId,
    time::{Span, Time},
};
use ostler_tools::{answer::AuditEntry, principal::Principal};
use serde_json::{Value, json};

use crate::{answer::Outcome, digest::capped, door::Gate};

/// How long a window is.
const WINDOW: Span = Span::minutes(1);
/// Calls that are recorded one by one in a window.
const IN_A_WINDOW: u32 = 10;
/// What strangers are told.
const WORDS: &str =
    "nobody proved who calls; bring a token, or use the socket of the daemon's machine";
/// The tool that the leaf of a flood names.
const FLOOD: &str = "(calls of strangers)";

/// How many came lately.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    began: Time,
    seen: u32,
    missed: u64,
}

/// What becomes of one more.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// It gets a leaf; so many before it did not.
    Record { missed: u64 },
    /// It is counted. The first in a window sees to it that the count is told.
    Count { first: bool },
}

impl Strangers {
    fn admit(&self, now: Time) -> Next {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.began) >= WINDOW || now < window.began {
            (window.began, window.seen) = (now, 0);
        }
        window.seen = window.seen.saturating_add(1);
        if window.seen <= IN_A_WINDOW {
            let missed = std::mem::take(&mut window.missed);
            return Next::Record { missed };
        }
        window.missed = window.missed.saturating_add(1);
        Next::Count {
            first: window.missed == 1,
        }
    }

    fn take_missed(&self) -> u64 {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut window.missed)
    }
}

impl Gate {
    /// Denies a call of nobody.
    pub(crate) async fn stranger(
        self: &Arc<Self>,
        id: CallId,
        name: &str,
        args: &Value,
    ) -> Outcome {
        let outcome = Outcome::Denied {
            words: WORDS.to_owned(),
            policies: Vec::new(),
        };
        let now = self.clock.now();
        match self.strangers.admit(now) {
            Next::Record { missed } => {
                if missed > 0 {
                    self.tell_missed(missed).await;
                }
                let known = self.catalogue.iter().find(|tool| tool.name == name);
                let tool = known.map_or("(unknown tool)", |tool| tool.name);
                let entry = leaf(
                    now,
                    Some(id),
                    tool,
                    capped(args.clone(), 0),
                    WORDS.to_owned(),
                );
                self.recorded(entry, outcome).await
            }
            Next::Count { first } => {
                if first {
                    self.tell_later();
                }
                outcome
            }
        }
    }

    /// After the window, a leaf says how many were not recorded, also if nobody comes any more.
    fn tell_later(self: &Arc<Self>) {
        let gate = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(WINDOW.0)).await;
            if let Some(gate) = gate.upgrade() {
                gate.tell_strangers().await;
            }
        });
    }

    /// Records how many strangers came of whom nothing was recorded yet.
    pub(crate) async fn tell_strangers(&self) {
        let missed = self.strangers.take_missed();
        if missed > 0 {
            self.tell_missed(missed).await;
        }
    }

    async fn tell_missed(&self, missed: u64) {
        let words = format!(
            "{missed} more calls without proof of who calls were denied and not recorded one by one"
        );
        let arguments = json!({ "calls": missed });
        let entry = leaf(self.clock.now(), None, FLOOD, arguments, words);
        if let Err(words) = self.enqueue(entry, None).await {
            tracing::error!(words, missed, "a flood of strangers could not be recorded");
        }
    }
}

fn leaf(
    now: Time,
    call: Option<CallId>,
    tool: &str,
    arguments: Value,
    words: String,
) -> AuditEntry {
    AuditEntry {
        index: 0,
        at: now,
        call,
        principal: Principal::Anonymous.to_string(),
        tool: tool.to_owned(),
        arguments,
        decision: Some("deny".to_owned()),
        policies: Vec::new(),
        outcome: "denied".to_owned(),
        words,
        services: Vec::new(),
        revision: None,
        approval: None,
    }
}
