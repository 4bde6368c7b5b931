//! Ostler's agents: an explicit list, and the entry behind `ostler agent NAME`.
//!
//! An agent is a folder here, a line in [`registry`], a policy file and an incident it solves. It
//! reaches the fleet through nothing but the pipe it is given.

pub mod healer;

use std::sync::Arc;

use ostler_agents_kit::{
    agent::{Agent, Clock, Parts, SystemClock},
    client::{CallError, ConnectError, McpClient},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// One agent.
#[derive(Clone, Copy)]
pub struct AgentSpec {
    /// Its registered name: principal, policy file, command line.
    pub name: &'static str,
    /// What it is for, for people.
    pub about: &'static str,
    /// What makes it differ from the others.
    pub parts: fn(Arc<dyn Clock>) -> Parts,
}

impl std::fmt::Debug for AgentSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentSpec")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Every agent there is.
#[must_use]
pub fn registry() -> &'static [AgentSpec] {
    const AGENTS: &[AgentSpec] = &[AgentSpec {
        name: "healer",
        about: "finds out why a service is unwell and proposes a fix",
        parts: healer::parts,
    }];
    AGENTS
}

/// Why an agent ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No such agent.
    #[error("there is no agent `{name}`; agents are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// The daemon does not answer.
    #[error("agent `{name}` cannot reach the daemon over its pipe")]
    Connect {
        /// Which agent.
        name: &'static str,
        /// Why.
        #[source]
        source: ConnectError,
    },
    /// Its turns fail.
    #[error("agent `{name}` could not take a turn for a while")]
    Turn {
        /// Which agent.
        name: &'static str,
        /// Why.
        #[source]
        source: CallError,
    },
}

/// Runs one agent over a pipe until the pipe closes. Logs go through `tracing`; use a
/// single-threaded runtime.
///
/// # Errors
/// [`AgentError`] when there is no such agent, no daemon behind the pipe, or nothing works for a while.
pub async fn run<R, W>(name: &str, read: R, write: W) -> Result<(), AgentError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    run_with_clock(name, read, write, Arc::new(SystemClock)).await
}

/// As [`run`], with a clock of the caller's.
///
/// # Errors
/// As [`run`].
pub async fn run_with_clock<R, W>(
    name: &str,
    read: R,
    write: W,
    clock: Arc<dyn Clock>,
) -> Result<(), AgentError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Some(spec) = registry().iter().find(|spec| spec.name == name) else {
        let known = registry()
            .iter()
            .map(|spec| spec.name)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(AgentError::Unknown {
            name: name.chars().take(80).collect(),
            known,
        });
    };
    let name = spec.name;
    let connected = McpClient::connect(name, read, write).await;
    let client = connected.map_err(|source| AgentError::Connect { name, source })?;
    let agent = Agent::new(Arc::new(client), (spec.parts)(clock));
    agent
        .run()
        .await
        .map_err(|source| AgentError::Turn { name, source })
}
