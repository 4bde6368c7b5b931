//! The broker at work: one at a time, and another in its place when the configuration changes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use ostler_broker::{Before, Broker, Parts, config::Config};
use ostler_core::id::AgentName;
use ostler_gate::Gate;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    budgets::{self, Book},
    meter, secrets, sockets,
    whose::{Seat, whose},
};
use crate::{fleet::Fleet, state_dir::StateDir};

/// Serves the configured agents' sockets to language models.
pub struct Desk {
    fleet: Arc<Fleet>,
    gate: Arc<Gate>,
    /// Where agents' sockets are.
    sockets: PathBuf,
    book: Book,
    open: Option<Open>,
}

struct Open {
    broker: Arc<Broker>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// How an agent reaches language models.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// Its socket.
    pub socket: PathBuf,
    /// What it is told when it begins: models and limits.
    pub told: Value,
    /// The socket of its shadow, where one thinks along. What that is told is no part of what the agent is.
    pub shadow: Option<PathBuf>,
}

impl Access {
    /// The agent's sockets, each with the mind that it is of.
    pub fn sockets(&self) -> impl Iterator<Item = (Seat, &Path)> {
        let of = |seat| match seat {
            Seat::Own => Some(self.socket.as_path()),
            Seat::Shadow => self.shadow.as_deref(),
        };
        Seat::ALL
            .into_iter()
            .filter_map(move |seat| Some((seat, of(seat)?)))
    }
}

impl Desk {
    /// Nobody is served yet.
    pub fn new(state: &StateDir, fleet: &Arc<Fleet>, gate: &Arc<Gate>) -> Self {
        Self {
            fleet: fleet.clone(),
            gate: gate.clone(),
            sockets: state.agent_sockets(),
            book: Book::new(state.budgets()),
            open: None,
        }
    }

    /// Serves under this configuration from now on; answers who may ask, and over which socket.
    /// What was spent goes on counting.
    ///
    /// # Errors
    /// When the configuration is not acceptable, and all stays as it was; or when a socket cannot be
    /// bound: then its agent and those after it are without models.
    pub async fn serve(
        &mut self,
        config: &Config,
        prompts: &BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeMap<AgentName, Access>> {
        let mut told = ostler_planning::of_all(config, prompts)?;
        let broker = Broker::open(Parts {
            config: config.clone(),
            settings: told.clone(),
            secrets: Arc::new(secrets::OfGate::new(self.gate.clone())),
            meter: Arc::new(meter::ToMetrics(self.fleet.clone())),
            before: match &self.open {
                Some(open) => Before::Broker(open.broker.clone()),
                None => Before::Kept(self.book.read()),
            },
        })
        .context("the configuration of language models is not acceptable")?;
        self.close().await;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let mut bound = BTreeMap::new();
        for mind in config.agents.keys() {
            let (name, seat) = whose(mind)?;
            let (path, socket) = sockets::bind(&self.sockets, &name, seat).await?;
            let admit = sockets::only_the_agent(self.fleet.clone(), name.clone());
            let (broker, mind, stop) = (broker.clone(), mind.clone(), stop.clone());
            tasks.spawn(async move {
                ostler_broker::serve(broker, &mind, socket, admit, stop).await;
            });
            bound.insert((name, seat), path);
        }
        let mut access = BTreeMap::new();
        for ((name, seat), socket) in &bound {
            if *seat == Seat::Own {
                let told = told.remove(name.as_str()).unwrap_or_default();
                let shadow = bound.get(&(name.clone(), Seat::Shadow)).cloned();
                let socket = socket.clone();
                let own = Access {
                    socket,
                    told,
                    shadow,
                };
                access.insert(name.clone(), own);
            }
        }
        let (fleet, book) = (self.fleet.clone(), self.book.clone());
        tasks.spawn(budgets::show(broker.clone(), fleet, book, stop.clone()));
        self.open = Some(Open {
            broker,
            stop,
            tasks,
        });
        Ok(access)
    }

    /// Serves nobody any more; what was spent is written down.
    pub async fn close(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        open.stop.cancel();
        while open.tasks.join_next().await.is_some() {}
        budgets::forget(&self.fleet);
    }
}
