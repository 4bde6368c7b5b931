//! Ostler's agents: an explicit list, and the entry behind `ostler agent NAME`.
//!
//! An agent is a folder here, a line in [`registry`], a policy file and an incident it solves. It
//! reaches the fleet through nothing but the pipe it is given.

mod frozen;
pub mod healer;
pub mod make;
pub mod scaler;
pub mod upgrader;

use std::sync::Arc;

use ostler_agents_kit::{
    agent::{Agent, Clock, Parts, SystemClock},
    client::{CallError, ConnectError, McpClient},
    planner::Planner,
};
use ostler_agents_llm::{
    chain::{self, Chain},
    line::Line,
    prompt::Prompt,
    settings::Settings,
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
    /// What a model that thinks for it is told: the text of its `prompt.md`.
    pub prompt: &'static str,
    /// Who goes first where two agents want the same service: the higher number. Healing goes before
    /// upgrading (200), upgrading before scaling (100).
    pub priority: u32,
    /// Names of the tools that its proposals may consist of; policy says when.
    pub proposable: &'static [&'static str],
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
    const AGENTS: &[AgentSpec] = &[
        AgentSpec {
            name: "healer",
            about: "finds out why a service is unwell and proposes a fix",
            parts: healer::parts,
            prompt: healer::PROMPT,
            priority: 300,
            proposable: healer::PROPOSABLE,
        },
        AgentSpec {
            name: "upgrader",
            about: "finds newer versions that are wanted and proposes how they come in",
            parts: upgrader::parts,
            prompt: upgrader::PROMPT,
            priority: 200,
            proposable: upgrader::PROPOSABLE,
        },
        AgentSpec {
            name: "scaler",
            about: "learns what services need and proposes targets, floors and sizes that fit",
            parts: scaler::parts,
            prompt: scaler::PROMPT,
            priority: 100,
            proposable: scaler::PROPOSABLE,
        },
    ];
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

/// What an agent runs with beside its pipe.
pub struct Setup {
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// The way to language models; rules alone think without.
    pub models: Option<Models>,
    /// Put around its planner; for those who watch or hold time.
    pub around: fn(Box<dyn Planner>) -> Box<dyn Planner>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            models: None,
            around: |planner| planner,
        }
    }
}

/// The way to language models.
#[derive(Debug, Clone)]
pub struct Models {
    /// The broker.
    pub line: Line,
    /// What marks are made of: fresh and secret where workloads could know it.
    pub seed: u64,
    /// What to plan with; asked of the broker before each turn when absent.
    pub settings: Option<Settings>,
    /// The way to the models of a shadow, which thinks along and does nothing.
    pub shadow: Option<Line>,
}

/// Runs one agent over a pipe until the pipe closes. Logs go through `tracing`; use a
/// single-threaded runtime.
///
/// # Errors
/// [`AgentError`] when there is no such agent, no daemon behind the pipe, or nothing works for a while.
pub async fn run<R, W>(name: &str, read: R, write: W, setup: Setup) -> Result<(), AgentError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let spec = find(name)?;
    let name = spec.name;
    let connected = McpClient::connect(name, read, write).await;
    let client = connected.map_err(|source| AgentError::Connect { name, source })?;
    let agent = Agent::new(Arc::new(client), parts(spec, setup));
    agent
        .run()
        .await
        .map_err(|source| AgentError::Turn { name, source })
}

fn find(name: &str) -> Result<&'static AgentSpec, AgentError> {
    registry()
        .iter()
        .find(|spec| spec.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = registry().iter().map(|spec| spec.name).collect();
            AgentError::Unknown {
                name: name.chars().take(80).collect(),
                known: known.join(", "),
            }
        })
}

/// The agent's parts, with models before its rules where there are any.
fn parts(spec: &AgentSpec, setup: Setup) -> Parts {
    let mut parts = (spec.parts)(setup.clock);
    if let Some(models) = setup.models {
        let rules: Arc<dyn Planner> = parts.planner.into();
        let of_agent = || chain::Parts {
            rules: Arc::clone(&rules),
            prompt: Prompt::new(spec.prompt.to_owned()),
            proposable: spec.proposable,
        };
        let (line, settings, seed) = (models.line, models.settings, models.seed);
        parts.planner = Box::new(Chain::new(line, settings, of_agent(), seed));
        // Marks of its own: what one mind was shown gives nothing away of the other's.
        let beside = |line| Chain::new(line, None, of_agent(), !seed);
        parts.shadow = (models.shadow).map(|line| Arc::new(beside(line)) as Arc<dyn Planner>);
    }
    parts.planner = (setup.around)(parts.planner);
    parts
}
