//! Who is supervised, and where they live.

use std::{path::PathBuf, sync::Arc};

use nix::unistd::Uid;
use ostler_core::id::AgentName;
use ostler_gate::Gate;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Supervisor, bare::Bare, lodging::Lodging, sandbox::Sandbox};
use crate::{cli::AgentsArg, fleet::Fleet};

/// What supervision needs of the daemon.
pub struct Plan<'a> {
    /// What is known, and told.
    pub fleet: &'a Arc<Fleet>,
    /// What judges the agents.
    pub gate: &'a Arc<Gate>,
    /// Where everything of theirs is.
    pub dir: PathBuf,
    /// When to end.
    pub stop: &'a CancellationToken,
}

impl Plan<'_> {
    /// Starts every registered agent. Where they cannot be housed the fleet does without them;
    /// that is told, not fatal.
    pub async fn start(self, wanted: AgentsArg, parts: &mut JoinSet<()>) {
        let Some(lodging) = self.lodging(wanted).await else {
            return;
        };
        let supervisor = Supervisor {
            fleet: self.fleet.clone(),
            gate: self.gate.clone(),
            lodging,
            dir: self.dir,
        };
        for agent in ostler_agents::registry() {
            match AgentName::new(agent.name) {
                Ok(name) => drop(parts.spawn(supervisor.clone().keep(name, self.stop.clone()))),
                Err(error) => tracing::error!(%error, "an agent's name is not valid"),
            }
        }
    }

    async fn lodging(&self, wanted: AgentsArg) -> Option<Arc<dyn Lodging>> {
        match wanted {
            AgentsArg::None => None,
            AgentsArg::Bare => {
                tracing::warn!("agents have no sandbox: for development only");
                if !Uid::effective().is_root() {
                    tracing::warn!("agents run as the daemon's own user, who may do everything");
                }
                Some(Arc::new(Bare::default()))
            }
            AgentsArg::Sandbox => match Sandbox::open(&self.dir).await {
                Ok(sandbox) => Some(Arc::new(sandbox)),
                Err(error) => {
                    let problem = format!(
                        "no agent runs, for want of a sandbox: {error:#}; `--agents bare` runs them without one"
                    );
                    tracing::error!(problem);
                    self.fleet
                        .write(|table| table.daemon.problems.push(problem));
                    None
                }
            },
        }
    }
}
