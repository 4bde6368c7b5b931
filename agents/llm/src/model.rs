//! One round with a language model, whatever protocol it speaks.

use async_trait::async_trait;
use ostler_agents_kit::client::ToolInfo;
use serde_json::Value;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The prompt: the same for every turn, so that a provider may cache it.
    System(String),
    /// Ours.
    User(String),
    /// The model's.
    Assistant {
        /// What it said.
        text: String,
        /// What it asked for.
        uses: Vec<ToolUse>,
    },
    /// What a tool gave.
    Tool {
        /// The use that it answers.
        id: String,
        /// The tool.
        name: String,
        /// The answer, fenced.
        text: String,
    },
}

/// A tool that a model asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolUse {
    /// How the answer refers to it.
    pub id: String,
    /// The tool's name, as the model wrote it.
    pub name: String,
    /// The arguments, as the model wrote them; not an object when they could not be read.
    pub arguments: Value,
}

/// What a model is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The conversation so far, the prompt first.
    pub messages: &'a [Message],
    /// Tools that it may ask for; none when it must answer now.
    pub tools: &'a [ToolInfo],
    /// The schema of its answer.
    pub schema: &'a Value,
    /// Most tokens of its answer.
    pub max_tokens: u32,
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// In words.
    pub text: String,
    /// Tools that it asks for.
    pub uses: Vec<ToolUse>,
    /// What it cost.
    pub usage: Usage,
    /// Whether it stopped because of `max_tokens`.
    pub cut: bool,
}

/// Tokens as the model counted them; nothing when it did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Into the model.
    pub tokens_in: u64,
    /// Out of it.
    pub tokens_out: u64,
}

/// Why a model said nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A budget of tokens or money is used up; asking again is of no use for a while.
    #[error("its budget is used up: {0}")]
    Budget(String),
    /// It may not be asked: not on the allow-list, or the request is not acceptable.
    #[error("it refused the request: {0}")]
    Refused(String),
    /// It cannot be reached, is overloaded, or broke off.
    #[error("it is not available: {0}")]
    Unavailable(String),
    /// What it sent is not of the protocol.
    #[error("its answer cannot be read: {0}")]
    Garbled(String),
}

/// A language model.
#[async_trait]
pub trait Model: Send + Sync {
    /// One round. Dropping the future ends the request.
    ///
    /// # Errors
    /// [`ModelError`] when nothing usable came back.
    async fn ask(&self, ask: Ask<'_>) -> Result<Said, ModelError>;
}

/// Most characters of a problem that is passed on.
const PROBLEM_LIMIT: usize = 200;

impl ModelError {
    /// What an error status and its body mean. The broker marks a used-up budget in its body.
    #[must_use]
    pub fn of_status(status: Option<u16>, body: &str) -> Self {
        let words = ostler_agents_kit::text::clean(body, PROBLEM_LIMIT);
        if body.contains(BUDGET_CODE) {
            return Self::Budget(words);
        }
        match status {
            Some(408 | 425 | 429) | Some(500..) => Self::Unavailable(words),
            Some(400..500) => Self::Refused(words),
            _ => Self::Unavailable(words),
        }
    }
}

/// What the broker writes into the body of a request that it refuses for want of budget.
pub const BUDGET_CODE: &str = "ostler_budget_exhausted";
