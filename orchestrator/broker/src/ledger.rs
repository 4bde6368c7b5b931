//! What an agent spent: it outlives a change of the configuration, and is written down for the next
//! daemon, so that no restart gives a budget anew.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{
    broker::Broker,
    budget::{Accounts, Budget, Cost, INCIDENT_MS},
};

/// Where the clock of accounts stands when a broker begins: nothing that is kept is older.
pub(crate) const BEGINNING_MS: u64 = INCIDENT_MS;

/// What every agent spent, as it is written down.
pub type Kept = BTreeMap<String, KeptAccounts>;

/// What one agent spent. Ages are in milliseconds at the time of writing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAccounts {
    /// Requests of the last hour: age and cost; promises at their worst case.
    pub hour: Vec<(u64, Cost)>,
    /// Turns: name, age, cost.
    pub turns: Vec<(String, u64, Cost)>,
    /// Incidents: what they are about, age, cost.
    pub incidents: Vec<(String, u64, Cost)>,
}

impl KeptAccounts {
    /// The same, so many milliseconds later.
    #[must_use]
    pub fn aged(mut self, ms: u64) -> Self {
        let sums = self.turns.iter_mut().chain(&mut self.incidents);
        let ages = sums.map(|(_, age, _)| age);
        for age in ages.chain(self.hour.iter_mut().map(|(age, _)| age)) {
            *age = age.saturating_add(ms);
        }
        self
    }
}

/// One agent's accounts, shared by the brokers that follow each other.
pub(crate) struct Ledger {
    accounts: Mutex<Accounts>,
    /// Requests refused for want of budget.
    pub refused: AtomicU64,
}

impl Ledger {
    pub(crate) fn open(budget: Budget, kept: Option<&KeptAccounts>) -> Arc<Self> {
        let mut accounts = Accounts::new(budget);
        if let Some(kept) = kept {
            accounts.take_up(kept, BEGINNING_MS);
        }
        Arc::new(Self {
            accounts: Mutex::new(accounts),
            refused: AtomicU64::new(0),
        })
    }

    pub(crate) fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there was before this broker.
pub enum Before {
    /// Another broker, whose place this one takes.
    Broker(Arc<Broker>),
    /// What a daemon that ended wrote down.
    Kept(Kept),
}

impl Before {
    /// An agent's ledger goes on, under the budget of now.
    pub(crate) fn ledger(&self, agent: &str, budget: Budget) -> Arc<Ledger> {
        match self {
            Self::Broker(broker) => match broker.ledger(agent) {
                Some(known) => {
                    known.accounts().set_budget(budget);
                    known
                }
                None => Ledger::open(budget, None),
            },
            Self::Kept(kept) => Ledger::open(budget, kept.get(agent)),
        }
    }

    /// When the clock of the accounts began.
    pub(crate) fn began(&self) -> Instant {
        match self {
            Self::Broker(broker) => broker.began(),
            Self::Kept(_) => Instant::now(),
        }
    }
}

/// How an agent stands with its budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose.
    pub agent: String,
    /// What it plans with, in order.
    pub planner: Vec<String>,
    /// What it may spend.
    pub budget: Budget,
    /// What the last hour cost, promises included.
    pub hour: Cost,
    /// Requests refused for want of budget.
    pub refused: u64,
}
