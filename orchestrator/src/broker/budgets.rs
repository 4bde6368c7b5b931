//! How agents stand with their budgets: for whoever asks, and on disk for the next daemon.

use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Arc, time::Duration};

use ostler_broker::{
    Broker, Kept, KeptAccounts, Standing,
    budget::{Cost, Limit},
};
use ostler_tools::view::{AgentBudget, Most, Spent};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::whose::{Seat, whose};
use crate::{clock, fleet::Fleet};

/// Time between two looks at the accounts.
const LOOK: Duration = Duration::from_secs(2);

/// What was spent, on disk. A daemon that is killed loses the last two seconds of it.
#[derive(Clone)]
pub(super) struct Book {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Page {
    /// Milliseconds since 1970.
    written_at: u64,
    agents: BTreeMap<String, KeptAccounts>,
}

impl Book {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What an earlier daemon wrote, as old as it is now. A clock that was set back makes nothing younger.
    pub(super) fn read(&self) -> Kept {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::error!(%error, "what agents spent on models cannot be read; it counts from zero");
                }
                return Kept::new();
            }
        };
        match serde_json::from_slice::<Page>(&text) {
            Ok(page) => {
                let since = clock::now().0.saturating_sub(page.written_at);
                let agents = page.agents.into_iter();
                agents
                    .map(|(name, kept)| (name, kept.aged(since)))
                    .collect()
            }
            Err(error) => {
                tracing::error!(%error, "what agents spent on models is not legible; it counts from zero");
                Kept::new()
            }
        }
    }

    fn write(&self, agents: Kept) -> io::Result<()> {
        let page = Page {
            written_at: clock::now().0,
            agents,
        };
        let draft = self.path.with_extension("draft");
        fs::write(&draft, serde_json::to_vec(&page)?)?;
        fs::rename(&draft, &self.path)
    }
}

/// Keeps what is shown and what is written of the accounts up to date.
pub(super) async fn show(
    broker: Arc<Broker>,
    fleet: Arc<Fleet>,
    book: Book,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(LOOK);
    let mut written = Vec::new();
    loop {
        let over = tokio::select! {
            () = stop.cancelled() => true,
            _ = tick.tick() => false,
        };
        let standings = broker.standings();
        let spent: Vec<Cost> = standings.iter().map(|standing| standing.hour).collect();
        if over || spent != written {
            if let Err(error) = book.write(broker.kept()) {
                tracing::warn!(%error, "what agents spent on models cannot be written down");
            }
            written = spent;
        }
        if over {
            return;
        }
        for standing in standings {
            let Ok((name, seat)) = whose(&standing.agent) else {
                continue;
            };
            let budget = Some(shown(standing));
            fleet.write(|table| {
                let status = table.agents.entry(name).or_default();
                match seat {
                    Seat::Own => status.budget = budget,
                    Seat::Shadow => status.shadow_budget = budget,
                }
            });
        }
    }
}

/// Shows no budgets any more.
pub(super) fn forget(fleet: &Fleet) {
    fleet.write(|table| {
        for status in table.agents.values_mut() {
            (status.budget, status.shadow_budget) = (None, None);
        }
    });
}

fn shown(standing: Standing) -> AgentBudget {
    AgentBudget {
        planner: standing.planner,
        spent_in_hour: spent(standing.hour),
        hour: most(standing.budget.hour),
        incident: most(standing.budget.incident),
        turn: most(standing.budget.turn),
        refused: standing.refused,
    }
}

const fn spent(cost: Cost) -> Spent {
    Spent {
        tokens: cost.tokens,
        nano: cost.nano,
        seconds: cost.ms / 1_000,
    }
}

fn most(limit: Limit) -> Most {
    Most {
        tokens: limit.tokens,
        nano: limit.nano,
        seconds: limit.ms.map(|ms| ms / 1_000),
    }
}
