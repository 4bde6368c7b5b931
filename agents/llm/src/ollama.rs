//! Ollama's `/api/chat` through `ollama-rs`, never streamed: its streams lose what a chunk splits.

use async_trait::async_trait;
use ollama_rs::{
    Ollama as Client,
    error::OllamaError,
    generation::{
        chat::{ChatMessage, request::ChatMessageRequest},
        parameters::{FormatType, JsonStructure},
        tools::{ToolCall, ToolCallFunction, ToolFunctionInfo, ToolInfo as OllamaTool, ToolType},
    },
    models::ModelOptions,
};
use ostler_agents_kit::client::ToolInfo;
use serde_json::Value;

use crate::{
    line::{Line, Turn, chain},
    model::{Ask, Message, Model, ModelError, Said, ToolUse, Usage},
    settings::ModelChoice,
};

/// Most bytes of an answer that are kept.
const ANSWER_LIMIT: usize = 200_000;
/// Most tools that one answer may ask for.
const USES_LIMIT: usize = 16;
/// Tokens that a model sees at once; its own default is far too small for a situation.
const CONTEXT_TOKENS: u64 = 32_768;

/// A model behind an Ollama server.
pub struct Ollama {
    client: Client,
    model: String,
}

impl Ollama {
    /// The model for one turn.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(line: &Line, choice: &ModelChoice, turn: &Turn) -> Result<Self, ModelError> {
        let base = format!("{}/", Line::base(&choice.endpoint));
        let url = reqwest_012::Url::parse(&base)
            .map_err(|error| ModelError::Refused(format!("`{base}`: {error}")))?;
        let client = Client::builder()
            .url(url)
            .reqwest_client(line.client_012(Some(turn))?)
            .build();
        Ok(Self {
            client,
            model: choice.model.clone(),
        })
    }
}

#[async_trait]
impl Model for Ollama {
    async fn ask(&self, ask: Ask<'_>) -> Result<Said, ModelError> {
        let mut request = ChatMessageRequest::new(
            self.model.clone(),
            ask.messages.iter().map(message).collect(),
        );
        let most = i32::try_from(ask.max_tokens).unwrap_or(i32::MAX);
        request = request.options(
            ModelOptions::default()
                .num_ctx(CONTEXT_TOKENS)
                .num_predict(most),
        );
        // With a format a model never asks for tools: it is given only when the answer is due.
        request = if ask.tools.is_empty() {
            let schema = schemars::Schema::try_from(ask.schema.clone())
                .map_err(|error| ModelError::Refused(error.to_string()))?;
            request.format(FormatType::StructuredJson(Box::new(
                JsonStructure::new_for_schema(schema),
            )))
        } else {
            request.tools(ask.tools.iter().map(tool).collect::<Result<_, _>>()?)
        };
        let answer = self
            .client
            .send_chat_messages(request)
            .await
            .map_err(read_error)?;
        if answer.message.content.len() > ANSWER_LIMIT
            || answer.message.tool_calls.len() > USES_LIMIT
        {
            return Err(ModelError::Garbled("it is too long".to_owned()));
        }
        let uses = answer.message.tool_calls.into_iter().enumerate();
        let counted = answer.final_data;
        Ok(Said {
            text: answer.message.content,
            uses: uses
                .map(|(index, call)| ToolUse {
                    id: format!("use_{index}"),
                    name: call.function.name,
                    arguments: call.function.arguments,
                })
                .collect(),
            cut: counted
                .as_ref()
                .is_some_and(|counted| counted.eval_count >= u64::from(ask.max_tokens)),
            usage: counted.map_or_else(Usage::default, |counted| Usage {
                tokens_in: counted.prompt_eval_count,
                tokens_out: counted.eval_count,
            }),
        })
    }
}

fn message(message: &Message) -> ChatMessage {
    match message {
        Message::System(text) => ChatMessage::system(text.clone()),
        Message::User(text) => ChatMessage::user(text.clone()),
        Message::Assistant { text, uses } => {
            let mut said = ChatMessage::assistant(text.clone());
            said.tool_calls = uses
                .iter()
                .map(|used| ToolCall {
                    function: ToolCallFunction {
                        name: used.name.clone(),
                        arguments: used.arguments.clone(),
                    },
                })
                .collect();
            said
        }
        Message::Tool { name, text, .. } => ChatMessage::tool(format!("{name}:\n{text}")),
    }
}

fn tool(tool: &ToolInfo) -> Result<OllamaTool, ModelError> {
    let parameters = schemars::Schema::try_from(Value::Object(tool.input_schema.clone()))
        .map_err(|error| ModelError::Refused(error.to_string()))?;
    Ok(OllamaTool {
        tool_type: ToolType::Function,
        function: ToolFunctionInfo {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters,
        },
    })
}

/// The crate tells no status; the broker writes it into the body.
fn read_error(error: OllamaError) -> ModelError {
    match error {
        OllamaError::Other(body) => {
            let status = serde_json::from_str::<Value>(&body)
                .ok()
                .and_then(|body| body.get("status")?.as_u64())
                .and_then(|status| u16::try_from(status).ok());
            ModelError::of_status(status, &body)
        }
        OllamaError::JsonError(error) => ModelError::Garbled(error.to_string()),
        OllamaError::InternalError(error) => ModelError::Unavailable(error.message),
        other => ModelError::Unavailable(chain(&other)),
    }
}
