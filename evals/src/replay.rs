//! Starts an agent as it ships on the other end of a pipe, and lets some virtual time pass.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ostler_agents::{Models, Setup};
use ostler_core::{id::CallId, incident::Incident, proposal::Proposal};
use rmcp::ServiceExt;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    EvalError,
    bundle::{Bundle, Source},
    hold,
    server::{ReplayClock, Server},
    world::{START, World},
};

/// How much virtual time an agent has.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// And at a captured moment: it may have waited for a minute before it believed what it saw, and
/// waits anew.
pub const PATIENCE_AGAIN: Duration = Duration::from_secs(90);

/// What an agent wrote down.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Incidents it opened.
    pub incidents: Vec<Incident>,
    /// Proposals it made.
    pub proposals: Vec<Proposal>,
    /// Tools it called, in order.
    pub called: Vec<String>,
    /// What these answered, by the call's id.
    pub answers: BTreeMap<CallId, Value>,
}

/// A running replay.
pub struct Replay {
    world: Arc<Mutex<World>>,
    clock: ReplayClock,
    agent: String,
    models: Option<Models>,
    tasks: Vec<JoinHandle<()>>,
}

impl Replay {
    /// A bundle's world with no agent yet. Call it on a runtime whose time is paused.
    ///
    /// # Errors
    /// When the bundle's world cannot be built.
    pub fn new(bundle: &Bundle) -> Result<Self, EvalError> {
        let failed = |problem| EvalError::Replay {
            bundle: bundle.name.clone(),
            problem,
        };
        let world = Arc::new(Mutex::new(World::new(bundle).map_err(failed)?));
        Ok(Self {
            world,
            clock: ReplayClock::start(),
            agent: bundle.agent.clone(),
            models: None,
            tasks: Vec::new(),
        })
    }

    /// Lets the agent ask models before its rules. While one thinks, virtual time stands still.
    #[must_use]
    pub fn with_models(mut self, models: Option<Models>) -> Self {
        self.models = models;
        self
    }

    /// Starts the agent, as its supervisor would.
    pub fn start(&mut self) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let server = Server::new(Arc::clone(&self.world), self.clock);
        self.tasks.push(tokio::spawn(async move {
            match server.serve(ours).await {
                Ok(running) => drop(running.waiting().await),
                Err(error) => tracing::warn!(%error, "the replay's server ended"),
            }
        }));
        let (read, write) = tokio::io::split(theirs);
        let name = self.agent.clone();
        let setup = Setup {
            clock: Arc::new(self.clock),
            models: self.models.clone(),
            around: hold::around,
        };
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = ostler_agents::run(&name, read, write, setup).await {
                tracing::warn!(%error, "the agent ended");
            }
        }));
    }

    /// Kills the agent without a word, as kill -9 would.
    pub fn kill(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }

    /// The world, to look at or to move.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the agent wrote down so far; what it finds written down of before is not its doing.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let world = self.world();
        let incidents = world.records.incidents.values();
        let proposals = world.records.proposals.values();
        Seen {
            incidents: incidents
                .filter(|incident| incident.opened_at >= START)
                .cloned()
                .collect(),
            proposals: proposals
                .filter(|proposal| proposal.at >= START)
                .cloned()
                .collect(),
            called: world.called.clone(),
            answers: world.answers.clone(),
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Replays one bundle for [`PATIENCE`] of time; virtual on a paused runtime.
///
/// # Errors
/// When the bundle's world cannot be built, or the agent never looked.
pub async fn replay(bundle: &Bundle, models: Option<Models>) -> Result<Seen, EvalError> {
    let mut replay = Replay::new(bundle)?.with_models(models);
    replay.start();
    tokio::time::sleep(match bundle.source {
        Source::Written => PATIENCE,
        Source::Captured => PATIENCE_AGAIN,
    })
    .await;
    let seen = replay.seen();
    if seen
        .called
        .iter()
        .filter(|tool| *tool == "list_services")
        .count()
        < 5
    {
        let problem = format!("the agent `{}` did not look at its world", bundle.agent);
        return Err(EvalError::Replay {
            bundle: bundle.name.clone(),
            problem,
        });
    }
    Ok(seen)
}
