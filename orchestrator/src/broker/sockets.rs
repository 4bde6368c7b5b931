//! An agent's socket to its models, and that nobody but the agent's own process uses it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use ostler_broker::Admit;
use ostler_core::id::AgentName;
use tokio::net::UnixListener;

use super::whose::Seat;
use crate::{fleet::Fleet, serve, supervise::sockets};

/// Binds a socket of an agent's; where it is.
pub(super) async fn bind(
    all: &Path,
    agent: &AgentName,
    seat: Seat,
) -> anyhow::Result<(PathBuf, UnixListener)> {
    let folder =
        sockets::folder(all, agent).context("cannot make the folder of an agent's sockets")?;
    let path = folder.join(seat.socket());
    let bound = serve::unix::bind(&path, 0o600).await;
    let socket = bound.with_context(|| format!("cannot open `{}`", path.display()))?;
    sockets::give(&path)
        .with_context(|| format!("cannot give `{}` to the agent", path.display()))?;
    Ok((path, socket))
}

/// Only the process that the supervisor runs as this agent: agents share a user, not a process.
pub(super) fn only_the_agent(fleet: Arc<Fleet>, name: AgentName) -> Admit {
    Arc::new(move |peer| {
        let runs = fleet.read(|table| table.agents.get(&name).and_then(|status| status.pid));
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
        runs.is_some() && runs == pid
    })
}
