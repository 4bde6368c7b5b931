//! What the console remembers between requests: nothing that is not said elsewhere, and little of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ostler_core::time::Time;
use ostler_gate::Reception;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::elsewhere::Elsewhere;

/// Most messages that wait for their page.
const TOLD: usize = 512;
/// Most browsers that follow at a time.
const FOLLOWERS: usize = 128;

/// Shared by all requests.
pub(crate) struct Console {
    /// The gate.
    pub(crate) gate: Arc<dyn Reception>,
    /// Who else says who people are.
    pub(crate) elsewhere: Option<Arc<dyn Elsewhere>>,
    /// Places for those who follow.
    pub(crate) followers: Arc<Semaphore>,
    /// Ends what would follow for ever.
    pub(crate) stop: CancellationToken,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    told: BTreeMap<String, String>,
    checked: Option<Checked>,
}

/// The last check of the audit log that somebody asked for here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// When.
    pub at: Time,
    /// Who asked.
    pub by: String,
    /// How many entries there were.
    pub leaves: u64,
    /// What was wrong, if anything.
    pub problem: Option<String>,
}

impl Console {
    pub(crate) fn new(
        gate: Arc<dyn Reception>,
        elsewhere: Option<Arc<dyn Elsewhere>>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            gate,
            elsewhere,
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            stop,
            kept: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Words for the next page of a session.
    pub(crate) fn tell(&self, session: &str, words: String) {
        let told = &mut self.lock().told;
        while told.len() >= TOLD {
            told.pop_first();
        }
        told.insert(session.to_owned(), words);
    }

    /// The words that wait for a session's page.
    pub(crate) fn take_told(&self, session: &str) -> Option<String> {
        self.lock().told.remove(session)
    }

    pub(crate) fn checked(&self) -> Option<Checked> {
        self.lock().checked.clone()
    }

    pub(crate) fn keep_checked(&self, checked: Checked) {
        self.lock().checked = Some(checked);
    }
}
