//! What an agent is told to plan with: no keys, no prices, no addresses.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Planners in the order in which they are asked, and limits of one turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Models to ask before the rules.
    pub models: Vec<ModelChoice>,
    /// Limits of a turn.
    pub limits: TurnLimits,
    /// What models are told instead of the prompt that the agent ships with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// One model behind one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelChoice {
    /// The endpoint's name with the broker.
    pub endpoint: String,
    /// The protocol that it speaks.
    pub protocol: Protocol,
    /// The model's name with the provider.
    pub model: String,
    /// Whether answers are streamed; of no meaning for Ollama.
    pub stream: bool,
}

/// Wire protocols of language models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OpenAI's chat completions, which many servers speak.
    Openai,
    /// Ollama's own `/api/chat`.
    Ollama,
}

/// Limits of one turn, whatever the broker's budgets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnLimits {
    /// Answers of a model, repairs included.
    pub rounds: u32,
    /// Tool calls.
    pub calls: u32,
    /// Tokens in and out, as models count them.
    pub tokens: u64,
    /// Seconds for each planner of the chain.
    pub seconds: u64,
    /// Tokens of one answer.
    pub answer_tokens: u32,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self {
            rounds: 10,
            calls: 20,
            tokens: 200_000,
            seconds: 60,
            answer_tokens: 4_000,
        }
    }
}

impl TurnLimits {
    /// Time for each planner of the chain.
    #[must_use]
    pub const fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl ModelChoice {
    /// `endpoint:model`, as configurations and records write it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.endpoint, self.model)
    }
}
