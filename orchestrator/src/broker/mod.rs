//! Wiring of the broker: which agent plans with what, over which socket, and who may use it.

mod budgets;
mod meter;
mod secrets;
mod settings;
mod sockets;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::Context;
use ostler_agents::Models;
use ostler_agents_llm::line::Line;
use ostler_broker::{Broker, Parts, config::Config};
use ostler_core::id::AgentName;
use ostler_gate::Gate;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::sockets::SOCKET;
use crate::{fleet::Fleet, state_dir::StateDir};

/// Where an agent is told its broker's socket.
pub const SOCKET_VARIABLE: &str = "OSTLER_BROKER";

/// The way to language models that this process, an agent, was given; none when models are not configured.
#[must_use]
pub fn models() -> Option<Models> {
    let socket = std::env::var_os(SOCKET_VARIABLE)?;
    Some(Models {
        line: Line::new(socket),
        seed: rand::random(),
        settings: None,
    })
}

/// Opens the broker and serves each configured agent's socket; answers where they are.
///
/// # Errors
/// When the configuration is not acceptable or a socket cannot be bound.
pub async fn open(
    config: &Config,
    state: &StateDir,
    fleet: &Arc<Fleet>,
    gate: &Arc<Gate>,
    stop: &CancellationToken,
    parts: &mut JoinSet<()>,
) -> anyhow::Result<BTreeMap<AgentName, PathBuf>> {
    let mut at = BTreeMap::new();
    if config.agents.is_empty() {
        return Ok(at);
    }
    let broker = Broker::open(Parts {
        config: config.clone(),
        settings: settings::of_all(config)?,
        secrets: Arc::new(secrets::OfGate::new(gate.clone())),
        meter: Arc::new(meter::ToMetrics(fleet.clone())),
    })
    .context("the configuration of language models is not acceptable")?;
    parts.spawn(budgets::show(broker.clone(), fleet.clone(), stop.clone()));
    let folder = state.agent_sockets();
    for agent in config.agents.keys() {
        let name = AgentName::new(agent)?;
        let (path, socket) = sockets::bind(&folder, &name).await?;
        let admit = sockets::only_the_agent(fleet.clone(), name.clone());
        let (broker, agent, stop) = (broker.clone(), agent.clone(), stop.clone());
        parts.spawn(async move { ostler_broker::serve(broker, &agent, socket, admit, stop).await });
        at.insert(name, path);
    }
    Ok(at)
}
