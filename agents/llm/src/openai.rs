//! OpenAI's chat completions through `async-openai`, streamed or whole.
//!
//! Requests are the crate's own types; answers are read leniently, as servers that call themselves
//! compatible leave fields out.

use std::collections::BTreeMap;

use async_openai::{
    Client,
    config::OpenAIConfig,
    error::OpenAIError,
    middleware::ReqwestService,
    types::chat::{
        ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls,
        ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
        ChatCompletionRequestSystemMessage, ChatCompletionRequestToolMessage,
        ChatCompletionRequestUserMessage, ChatCompletionStreamOptions, ChatCompletionTool,
        ChatCompletionTools, CreateChatCompletionRequest, FunctionCall, FunctionObject,
        ResponseFormat, ResponseFormatJsonSchema,
    },
};
use async_trait::async_trait;
use futures::StreamExt;
use ostler_agents_kit::client::ToolInfo;
use serde::Deserialize;
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

/// A model behind an endpoint that speaks chat completions.
pub struct OpenAi {
    client: Client<OpenAIConfig>,
    model: String,
    stream: bool,
}

impl OpenAi {
    /// The model for one turn.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(line: &Line, choice: &ModelChoice, turn: &Turn) -> Result<Self, ModelError> {
        let config = OpenAIConfig::new()
            .with_api_base(Line::base(&choice.endpoint))
            .with_api_key("");
        let http = line.client(Some(turn))?;
        // Trying again is the broker's business: it knows what the provider asks for, and counts.
        let once = ReqwestService::new(http.clone());
        Ok(Self {
            client: Client::build(http, config).with_http_service(once),
            model: choice.model.clone(),
            stream: choice.stream,
        })
    }

    async fn whole(&self, request: CreateChatCompletionRequest) -> Result<Said, ModelError> {
        let answer: Whole = self
            .client
            .chat()
            .create_byot(request)
            .await
            .map_err(read_error)?;
        let choice = answer.choices.into_iter().next();
        let choice = choice.ok_or_else(|| ModelError::Garbled("it has no choices".to_owned()))?;
        let mut gathered = Gathered::default();
        gathered.add(choice.message, choice.finish_reason)?;
        gathered.usage = answer.usage;
        gathered.said()
    }

    async fn streamed(&self, mut request: CreateChatCompletionRequest) -> Result<Said, ModelError> {
        request.stream = Some(true);
        request.stream_options = Some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        });
        let chat = self.client.chat();
        let mut chunks = chat
            .create_stream_byot::<_, Chunk>(request)
            .await
            .map_err(read_error)?;
        let mut gathered = Gathered::default();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(read_error)?;
            gathered.usage = chunk.usage.or(gathered.usage);
            if let Some(choice) = chunk.choices.into_iter().next() {
                gathered.add(choice.delta, choice.finish_reason)?;
            }
        }
        if gathered.finish.is_none() {
            return Err(ModelError::Unavailable("the stream broke off".to_owned()));
        }
        gathered.said()
    }
}

#[async_trait]
impl Model for OpenAi {
    async fn ask(&self, ask: Ask<'_>) -> Result<Said, ModelError> {
        let request = request(&self.model, ask);
        if self.stream {
            self.streamed(request).await
        } else {
            self.whole(request).await
        }
    }
}

fn request(model: &str, ask: Ask<'_>) -> CreateChatCompletionRequest {
    CreateChatCompletionRequest {
        model: model.to_owned(),
        messages: ask.messages.iter().map(message).collect(),
        tools: (!ask.tools.is_empty()).then(|| ask.tools.iter().map(tool).collect()),
        response_format: Some(ResponseFormat::JsonSchema {
            json_schema: ResponseFormatJsonSchema {
                description: None,
                name: "answer".to_owned(),
                schema: ask.schema.clone(),
                strict: Some(true),
            },
        }),
        max_completion_tokens: Some(ask.max_tokens),
        ..CreateChatCompletionRequest::default()
    }
}

fn message(message: &Message) -> ChatCompletionRequestMessage {
    match message {
        Message::System(text) => ChatCompletionRequestSystemMessage::from(text.clone()).into(),
        Message::User(text) => ChatCompletionRequestUserMessage::from(text.clone()).into(),
        Message::Assistant { text, uses } => {
            let calls: Vec<_> = uses.iter().map(tool_call).collect();
            ChatCompletionRequestAssistantMessage {
                content: (!text.is_empty() || calls.is_empty()).then(|| text.clone().into()),
                tool_calls: (!calls.is_empty()).then_some(calls),
                ..ChatCompletionRequestAssistantMessage::default()
            }
            .into()
        }
        Message::Tool { id, text, .. } => ChatCompletionRequestToolMessage {
            content: text.clone().into(),
            tool_call_id: id.clone(),
        }
        .into(),
    }
}

fn tool_call(used: &ToolUse) -> ChatCompletionMessageToolCalls {
    ChatCompletionMessageToolCall {
        id: used.id.clone(),
        function: FunctionCall {
            name: used.name.clone(),
            arguments: used.arguments.to_string(),
        },
    }
    .into()
}

fn tool(tool: &ToolInfo) -> ChatCompletionTools {
    ChatCompletionTools::Function(ChatCompletionTool {
        function: FunctionObject {
            name: tool.name.clone(),
            description: Some(tool.description.clone()),
            parameters: Some(Value::Object(tool.input_schema.clone())),
            strict: None,
        },
    })
}

fn read_error(error: OpenAIError) -> ModelError {
    match error {
        OpenAIError::ApiError(answered) => {
            let status = answered.status_code.as_u16();
            ModelError::of_status(Some(status), &answered.api_error.to_string())
        }
        OpenAIError::JSONDeserialize(error, content)
            if content.contains(crate::model::BUDGET_CODE) =>
        {
            ModelError::Budget(error.to_string())
        }
        OpenAIError::JSONDeserialize(error, _) => ModelError::Garbled(error.to_string()),
        OpenAIError::InvalidArgument(problem) => ModelError::Refused(problem),
        other => ModelError::Unavailable(chain(&other)),
    }
}

/// A whole answer, as far as it is needed.
#[derive(Deserialize)]
struct Whole {
    choices: Vec<WholeChoice>,
    #[serde(default)]
    usage: Option<Counted>,
}

#[derive(Deserialize)]
struct WholeChoice {
    message: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

/// One piece of a streamed answer.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<ChunkChoice>,
    #[serde(default)]
    usage: Option<Counted>,
}

#[derive(Deserialize)]
struct ChunkChoice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Fragment>>,
}

#[derive(Deserialize)]
struct Fragment {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: FragmentFunction,
}

#[derive(Deserialize, Default)]
struct FragmentFunction {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
struct Counted {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// An answer as it comes together.
#[derive(Default)]
struct Gathered {
    text: String,
    refusal: String,
    uses: BTreeMap<u32, (String, String, String)>,
    usage: Option<Counted>,
    finish: Option<String>,
    bytes: usize,
}

impl Gathered {
    fn add(&mut self, delta: Delta, finish: Option<String>) -> Result<(), ModelError> {
        self.finish = finish.or_else(|| self.finish.take());
        let text = self.count(delta.content)?;
        self.text.push_str(&text);
        let refusal = self.count(delta.refusal)?;
        self.refusal.push_str(&refusal);
        for (place, fragment) in (0_u32..).zip(delta.tool_calls.unwrap_or_default()) {
            let arguments = self.count(fragment.function.arguments)?;
            let entry = self
                .uses
                .entry(fragment.index.unwrap_or(place))
                .or_default();
            entry.0.push_str(&fragment.id.unwrap_or_default());
            entry
                .1
                .push_str(&fragment.function.name.unwrap_or_default());
            entry.2.push_str(&arguments);
        }
        if self.uses.len() > USES_LIMIT {
            return Err(ModelError::Garbled(format!(
                "it asks for more than {USES_LIMIT} tools"
            )));
        }
        Ok(())
    }

    fn count(&mut self, piece: Option<String>) -> Result<String, ModelError> {
        let piece = piece.unwrap_or_default();
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > ANSWER_LIMIT {
            return Err(ModelError::Garbled(format!(
                "it is longer than {ANSWER_LIMIT} bytes"
            )));
        }
        Ok(piece)
    }

    fn said(self) -> Result<Said, ModelError> {
        if !self.refusal.is_empty() {
            return Err(ModelError::Refused(ostler_agents_kit::text::clean(
                &self.refusal,
                200,
            )));
        }
        let uses = self
            .uses
            .into_iter()
            .map(|(index, (id, name, arguments))| ToolUse {
                id: if id.is_empty() {
                    format!("use_{index}")
                } else {
                    id
                },
                name,
                arguments: arguments_of(&arguments),
            });
        Ok(Said {
            text: self.text,
            uses: uses.collect(),
            usage: self.usage.map_or_else(Usage::default, |counted| Usage {
                tokens_in: counted.prompt_tokens,
                tokens_out: counted.completion_tokens,
            }),
            cut: self.finish.as_deref() == Some("length"),
        })
    }
}

/// Arguments as a model wrote them: an object, or nothing for none; whatever cannot be read stays text.
fn arguments_of(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
