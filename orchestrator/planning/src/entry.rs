//! What the configuration's file says of one agent, and of a shadow that thinks beside it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use ostler_broker::config::{AgentConfig, BudgetConfig, Config, RULES, TurnConfig};
use ostler_core::id::AgentName;
use serde::Deserialize;

/// Most bytes of a prompt.
const PROMPT_LIMIT: usize = 64 << 10;
/// Most models of a shadow.
const SHADOW_LIMIT: usize = 8;

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
    /// Another mind that thinks along and does nothing.
    pub shadow: Option<ShadowEntry>,
}

/// What is said of a shadow. Its budgets are its own: it spends nothing of its agent's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowEntry {
    /// Planners in the order in which they are asked.
    pub planner: Vec<String>,
    /// A file with what models are told; relative to the configuration's own folder.
    pub prompt: Option<PathBuf>,
    /// Limits of one turn's work.
    #[serde(default)]
    pub turn: TurnConfig,
    /// Budgets.
    #[serde(default)]
    pub budget: BudgetConfig,
}

/// Why what is said of an agent's minds is not taken.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// An agent of the operator's own brings its own.
    #[error("`agents.{0}.prompt`: an agent of your own brings its own prompt")]
    PromptOfGuest(AgentName),
    /// An agent of the operator's own cannot be doubled.
    #[error("`agents.{0}.shadow`: only agents of Ostler's have shadows")]
    ShadowOfGuest(AgentName),
    /// Nothing to compare.
    #[error(
        "`agents.{0}.shadow.planner` names no model; its agent's rules think anyway: name 1 to {SHADOW_LIMIT} as `ENDPOINT:MODEL`"
    )]
    ShadowModels(AgentName),
    /// The file cannot be read.
    #[error("`agents.{mind}.prompt`: cannot read `{file}`")]
    Read {
        /// Whose.
        mind: String,
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is empty or too long.
    #[error("`agents.{mind}.prompt`: `{file}` has {bytes} bytes; a prompt has 1 to {PROMPT_LIMIT}")]
    Size {
        /// Whose.
        mind: String,
        /// Which.
        file: PathBuf,
        /// How many it has.
        bytes: usize,
    },
}

/// Under which name the broker knows a shadow: no agent can have it.
#[must_use]
pub fn shadow_of(agent: &AgentName) -> String {
    format!("{agent}.shadow")
}

/// One mind: the name by which the broker knows it, how it plans, and what its models are told where
/// the operator says that in their own words.
#[derive(Debug, Clone, PartialEq)]
pub struct Mind {
    /// The agent's name, or a shadow's.
    pub name: String,
    /// How it plans; nothing where no planner is named.
    pub config: Option<AgentConfig>,
    /// The operator's own words.
    pub prompt: Option<String>,
}

impl Mind {
    /// Takes its place among those that the broker knows, and its prompt among the prompts.
    pub fn join(self, models: &mut Config, prompts: &mut BTreeMap<String, String>) {
        let Self {
            name,
            config,
            prompt,
        } = self;
        prompts.extend(prompt.map(|text| (name.clone(), text)));
        models.agents.extend(config.map(|config| (name, config)));
    }
}

impl<P> Entry<P> {
    /// The agent's own mind, and its shadow's where it has one. Prompts are looked for in `folder`.
    ///
    /// # Errors
    /// When a prompt cannot be read, is empty or longer than 64 KiB, a shadow names no model or more
    /// than eight, or either is said of a program of the operator's own.
    pub fn minds(&self, agent: &AgentName, folder: &Path) -> Result<Vec<Mind>, EntryError> {
        let guest = self.program.is_some();
        if guest && self.prompt.is_some() {
            return Err(EntryError::PromptOfGuest(agent.clone()));
        }
        let own = |planner: &Vec<String>| AgentConfig {
            planner: planner.clone(),
            turn: self.turn,
            budget: self.budget,
        };
        let mut minds = vec![Mind {
            name: agent.to_string(),
            config: self.planner.as_ref().map(own),
            prompt: words(agent.as_str(), self.prompt.as_deref(), folder)?,
        }];
        if let Some(shadow) = &self.shadow {
            let models = shadow.planner.iter().filter(|planner| *planner != RULES);
            if guest {
                return Err(EntryError::ShadowOfGuest(agent.clone()));
            }
            if !(1..=SHADOW_LIMIT).contains(&models.count()) {
                return Err(EntryError::ShadowModels(agent.clone()));
            }
            minds.push(shadow.mind(agent, folder)?);
        }
        Ok(minds)
    }
}

impl ShadowEntry {
    fn mind(&self, agent: &AgentName, folder: &Path) -> Result<Mind, EntryError> {
        let name = shadow_of(agent);
        let prompt = words(&name, self.prompt.as_deref(), folder)?;
        let config = AgentConfig {
            planner: self.planner.clone(),
            turn: self.turn,
            budget: self.budget,
        };
        Ok(Mind {
            name,
            config: Some(config),
            prompt,
        })
    }
}

/// The text of a prompt's file, where one is named.
fn words(mind: &str, file: Option<&Path>, folder: &Path) -> Result<Option<String>, EntryError> {
    let Some(file) = file else {
        return Ok(None);
    };
    let (mind, file) = (mind.to_owned(), folder.join(file));
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(source) => return Err(EntryError::Read { mind, file, source }),
    };
    let bytes = text.len();
    if text.trim().is_empty() || bytes > PROMPT_LIMIT {
        return Err(EntryError::Size { mind, file, bytes });
    }
    Ok(Some(text))
}
