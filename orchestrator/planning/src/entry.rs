//! What the configuration's file says of one agent.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ostler_broker::config::{AgentConfig, BudgetConfig, TurnConfig};
use ostler_core::id::AgentName;
use serde::Deserialize;

/// Most bytes of a prompt.
const PROMPT_LIMIT: usize = 64 << 10;

/// What is said of one agent; `P` is how a program of the operator's own is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<P> {
    /// A program of the operator's own; none for an agent of Ostler's.
    pub program: Option<P>,
    /// Planners in the order in which they are asked.
    pub planner: Option<Vec<String>>,
    /// A file with what models are told; relative to the configuration's own folder.
    pub prompt: Option<PathBuf>,
    /// Limits of one turn's work.
    #[serde(default)]
    pub turn: TurnConfig,
    /// Budgets.
    #[serde(default)]
    pub budget: BudgetConfig,
}

/// Why an operator's own prompt is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// An agent of the operator's own brings its own.
    #[error("`agents.{0}.prompt`: an agent of your own brings its own prompt")]
    OfGuest(AgentName),
    /// The file cannot be read.
    #[error("`agents.{agent}.prompt`: cannot read `{file}`")]
    Read {
        /// Whose.
        agent: AgentName,
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is empty or too long.
    #[error(
        "`agents.{agent}.prompt`: `{file}` has {bytes} bytes; a prompt has 1 to {PROMPT_LIMIT}"
    )]
    Size {
        /// Whose.
        agent: AgentName,
        /// Which.
        file: PathBuf,
        /// How many it has.
        bytes: usize,
    },
}

impl<P> Entry<P> {
    /// The operator's own words to models that think for this agent, where there are any. The file is
    /// looked for in `folder`.
    ///
    /// # Errors
    /// When the file cannot be read, is empty or longer than 64 KiB, or the agent is a program of the
    /// operator's own.
    pub fn own_prompt(
        &self,
        agent: &AgentName,
        folder: &Path,
    ) -> Result<Option<String>, PromptError> {
        let Some(file) = &self.prompt else {
            return Ok(None);
        };
        let (agent, file) = (agent.clone(), folder.join(file));
        if self.program.is_some() {
            return Err(PromptError::OfGuest(agent));
        }
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(source) => {
                return Err(PromptError::Read {
                    agent,
                    file,
                    source,
                });
            }
        };
        let bytes = text.len();
        if text.trim().is_empty() || bytes > PROMPT_LIMIT {
            return Err(PromptError::Size { agent, file, bytes });
        }
        Ok(Some(text))
    }

    /// How it plans, as the broker takes it; nothing where no planner is named.
    #[must_use]
    pub fn config(&self) -> Option<AgentConfig> {
        Some(AgentConfig {
            planner: self.planner.clone()?,
            turn: self.turn,
            budget: self.budget,
        })
    }
}
