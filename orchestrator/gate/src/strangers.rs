//! Calls of nobody: denied before anything of them is looked at, on record in bounded number.
//!
//! What strangers send is never kept, only its hash and length. A flood of them leaves a few leaves
//! a minute and one that says how many more there were: it cannot fill the disk.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ostler_core::id::CallId;
use ostler_tools::principal::Principal;
use serde_json::{Value, json};

use crate::{
    answer::Outcome,
    digest::capped,
    door::Gate,
    flood::{Next, WINDOW, Window, leaf},
};

/// Calls of strangers that are recorded one by one in a minute.
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
        match self.window(|window| window.admit(now, IN_A_WINDOW)) {
            Next::Admit { missed } => {
                if missed > 0 {
                    self.tell_missed(missed).await;
                }
                let known = self.catalogue.iter().find(|tool| tool.name == name);
                let tool = known.map_or("(unknown tool)", |tool| tool.name);
                let who = Principal::Anonymous.to_string();
                let words = ("denied", WORDS.to_owned());
                let entry = leaf(now, Some(id), (who, tool), capped(args.clone(), 0), words);
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

    fn window<T>(&self, with: impl FnOnce(&mut Window) -> T) -> T {
        let window = &self.strangers.window;
        with(&mut window.lock().unwrap_or_else(PoisonError::into_inner))
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
        let missed = self.window(Window::take_missed);
        if missed > 0 {
            self.tell_missed(missed).await;
        }
    }

    async fn tell_missed(&self, missed: u64) {
        let words = format!(
            "{missed} more calls without proof of who calls were denied and not recorded one by one"
        );
        let who = Principal::Anonymous.to_string();
        let arguments = json!({ "calls": missed });
        let entry = leaf(
            self.clock.now(),
            None,
            (who, FLOOD),
            arguments,
            ("denied", words),
        );
        if let Err(words) = self.enqueue(entry, None).await {
            tracing::error!(words, missed, "a flood of strangers could not be recorded");
        }
    }
}
