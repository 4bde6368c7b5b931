//! How agents stand with their budgets, for whoever asks.

use std::{sync::Arc, time::Duration};

use ostler_broker::{
    Broker, Standing,
    budget::{Cost, Limit},
};
use ostler_core::id::AgentName;
use ostler_tools::view::{AgentBudget, Most, Spent};
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;

/// Time between two looks at the accounts.
const LOOK: Duration = Duration::from_secs(2);

/// Keeps what is shown of the accounts up to date.
pub(super) async fn show(broker: Arc<Broker>, fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        for standing in broker.standings() {
            let Ok(name) = AgentName::new(&standing.agent) else {
                continue;
            };
            let budget = shown(standing);
            fleet.write(|table| table.agents.entry(name).or_default().budget = Some(budget));
        }
    }
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
