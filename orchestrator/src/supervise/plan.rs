//! Who is supervised, and where they live.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use nix::unistd::Uid;
use ostler_core::id::AgentName;
use ostler_gate::Gate;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Supervisor, bare::Bare, guest::Guest, lodging::Lodging, sandbox::Sandbox};
use crate::{cli::AgentsArg, fleet::Fleet, state_dir::StateDir};

/// What supervision needs of the daemon.
pub struct Plan<'a> {
    /// What is known, and told.
    pub fleet: &'a Arc<Fleet>,
    /// What judges the agents.
    pub gate: &'a Arc<Gate>,
    /// Where everything of theirs is.
    pub state: &'a StateDir,
    /// The sockets to language models of those agents that have one.
    pub models: BTreeMap<AgentName, PathBuf>,
    /// Agents of the operator's own.
    pub guests: BTreeMap<AgentName, Guest>,
    /// When to end.
    pub stop: &'a CancellationToken,
}

/// Every agent of Ostler's own.
fn registered() -> impl Iterator<Item = AgentName> {
    let name = |agent: &ostler_agents::AgentSpec| {
        AgentName::new(agent.name)
            .inspect_err(|error| tracing::error!(%error, "an agent's name is not valid"))
            .ok()
    };
    ostler_agents::registry().iter().filter_map(name)
}

/// The operator's own agents that will run: what Ostler did not build is never run bare.
fn guests_of(
    wanted: AgentsArg,
    guests: &BTreeMap<AgentName, Guest>,
) -> impl Iterator<Item = &AgentName> {
    guests.keys().filter(move |_| wanted == AgentsArg::Sandbox)
}

impl Plan<'_> {
    /// Starts every agent. Where they cannot be housed the fleet does without them;
    /// that is told, not fatal.
    pub async fn start(mut self, wanted: AgentsArg, parts: &mut JoinSet<()>) {
        let guests: Vec<AgentName> = guests_of(wanted, &self.guests).cloned().collect();
        let Some(lodging) = self.lodging(wanted).await else {
            return;
        };
        let supervisor = Supervisor {
            fleet: self.fleet.clone(),
            gate: self.gate.clone(),
            lodging,
            sockets: self.state.agent_sockets(),
        };
        for name in registered().chain(guests) {
            parts.spawn(supervisor.clone().keep(name, self.stop.clone()));
        }
    }

    /// Shows every agent before the first of them lives.
    pub fn announce(fleet: &Fleet, wanted: AgentsArg, guests: &BTreeMap<AgentName, Guest>) {
        if wanted == AgentsArg::None {
            return;
        }
        fleet.write(|table| {
            for name in registered().chain(guests_of(wanted, guests).cloned()) {
                let status = table.agents.entry(name).or_default();
                "starting".clone_into(&mut status.state);
            }
        });
    }

    async fn lodging(&mut self, wanted: AgentsArg) -> Option<Arc<dyn Lodging>> {
        let models = std::mem::take(&mut self.models);
        let guests = std::mem::take(&mut self.guests);
        match wanted {
            AgentsArg::None => None,
            AgentsArg::Bare => {
                tracing::warn!("agents have no sandbox: for development only");
                if !Uid::effective().is_root() {
                    tracing::warn!("agents run as the daemon's own user, who may do everything");
                }
                if !guests.is_empty() {
                    let names: Vec<&str> = guests.keys().map(AgentName::as_str).collect();
                    let problem = format!(
                        "agents of your own run only in a sandbox; left out: {}",
                        names.join(", ")
                    );
                    tracing::error!(problem);
                    self.fleet
                        .write(|table| table.daemon.problems.push(problem));
                }
                Some(Arc::new(Bare::new(models)))
            }
            AgentsArg::Sandbox => match Sandbox::open(self.state, models, guests).await {
                Ok(sandbox) => Some(Arc::new(sandbox)),
                Err(error) => {
                    let problem = format!(
                        "no agent runs, for want of a sandbox: {error:#}; `--agents bare` runs them without one"
                    );
                    tracing::error!(problem);
                    self.fleet.write(|table| {
                        table.daemon.problems.push(problem);
                        for status in table.agents.values_mut() {
                            "stopped".clone_into(&mut status.state);
                        }
                    });
                    None
                }
            },
        }
    }
}
