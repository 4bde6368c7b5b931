//! Where an agent's process lives: in a sandbox, or bare where the operator said so.

use async_trait::async_trait;
use ostler_core::id::AgentName;
use ostler_runtime::backend::Usage;
use tokio::net::UnixStream;

use super::guest::Guest;
use crate::broker::Access;

/// Starts, watches and ends agents' processes. One run of an agent at a time.
#[async_trait]
pub trait Lodging: Send + Sync {
    /// What people read: `sandbox` or `bare`.
    fn name(&self) -> &'static str;

    /// Starts a run, numbered from 1.
    ///
    /// # Errors
    /// In words, with what to do.
    async fn start(&self, agent: &AgentName, outfit: &Outfit, run: u32) -> Result<Started, String>;

    /// Waits for the run's end.
    async fn ended(&self, agent: &AgentName) -> End;

    /// Ends the run at once; does nothing when none runs.
    async fn kill(&self, agent: &AgentName);

    /// Takes away what the agent's runs left on the machine.
    async fn close(&self, agent: &AgentName);

    /// Takes away the place itself, with nobody in it any more.
    async fn leave(&self);

    /// What the run uses, where that is known.
    async fn usage(&self, agent: &AgentName) -> Option<Usage>;

    /// Lines that the agent wrote since the last call; untrusted text.
    async fn new_lines(&self, agent: &AgentName) -> Vec<String>;
}

/// What an agent is given. When it changes, the agent begins anew.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outfit {
    /// Its way to language models, where it has one.
    pub models: Option<Access>,
    /// What runs, for an agent of the operator's own.
    pub guest: Option<Guest>,
}

/// A run that began.
#[derive(Debug, Default)]
pub struct Started {
    /// Its process.
    pub pid: Option<u32>,
    /// Its line, where the agent was given one instead of a socket to connect to.
    pub line: Option<UnixStream>,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What is counted.
    pub cause: Cause,
    /// For people.
    pub words: String,
}

/// Kinds of ends, as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It could not be started.
    NotStarted,
    /// It exited by itself.
    Exited,
    /// A signal from elsewhere ended it.
    Killed,
    /// It used more memory than it may.
    OutOfMemory,
    /// It did not answer any more and was killed.
    Hung,
    /// A person paused it, or the daemon ends: no failure.
    Asked,
}

impl Cause {
    /// The name under which it is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Exited => "exited",
            Self::Killed => "killed",
            Self::OutOfMemory => "out_of_memory",
            Self::Hung => "hung",
            Self::Asked => "asked",
        }
    }
}
