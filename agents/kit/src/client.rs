//! The pipe: MCP tool calls over two byte streams. The only module that knows MCP.
//!
//! Every answer carries the id under which the gate recorded the call, so that evidence can cite it.
//! Whose calls they are is known from the pipe; nothing here authenticates.

use std::time::Duration;

use async_trait::async_trait;
use ostler_core::id::{ApprovalId, CallId};
use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CallToolResult, ClientConfig, Implementation},
    service::{RunningService, ServiceError, serve_client},
};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};

/// Where a result's metadata carries the id of the recorded call.
pub const CALL_META: &str = "ostler.dev/call";
/// Where a result's metadata carries the revision that a change made.
pub const REVISION_META: &str = "ostler.dev/revision";

const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Where a listed tool's metadata carries its class.
pub const CLASS_META: &str = "ostler.dev/class";

/// A tool that the daemon lists for this agent.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolInfo {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// What sort of thing it does: `read`, `read_data`, `change`, …; empty when not said.
    pub class: String,
    /// JSON Schema of its arguments.
    pub input_schema: Map<String, Value>,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The recorded call.
    pub call: CallId,
    /// The tool's answer.
    pub value: Value,
    /// The revision, where the call changed the intent.
    pub revision: Option<u64>,
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// A person must say yes first; then the same call may be made again.
    #[error("held until a person approves ({approval:?}): {words}")]
    Held {
        /// What is to be approved.
        approval: Option<ApprovalId>,
        /// Who, and why.
        words: String,
    },
    /// Policy says no.
    #[error("denied: {words}")]
    Denied {
        /// Which policies, and what would be allowed.
        words: String,
    },
    /// The arguments are not acceptable, or the world moved.
    #[error("refused: {words}")]
    Refused {
        /// What is wrong.
        words: String,
    },
    /// Permitted, but it could not be done.
    #[error("failed: {words}")]
    Failed {
        /// Why.
        words: String,
    },
    /// The answer is not what the catalogue promises.
    #[error("the answer of `{tool}` cannot be understood: {problem}")]
    Malformed {
        /// Of which tool.
        tool: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The pipe is closed; the agent ends.
    #[error("the pipe to the daemon is closed")]
    Closed,
}

/// Makes tool calls. The agent has one; tests and evals bring their own.
#[async_trait]
pub trait Caller: Send + Sync {
    /// Calls one tool.
    ///
    /// # Errors
    /// [`CallError`] says what the gate answered instead of doing it.
    async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<Reply, CallError>;

    /// The tools that policy could permit this agent.
    ///
    /// # Errors
    /// [`CallError`] when they cannot be listed.
    async fn tools(&self) -> Result<Vec<ToolInfo>, CallError>;
}

/// A caller over two byte streams.
pub struct McpClient {
    service: RunningService<RoleClient, ClientConfig>,
}

/// The MCP handshake failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot begin to speak MCP with the daemon")]
pub struct ConnectError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl McpClient {
    /// Shakes hands over the pipe.
    ///
    /// # Errors
    /// When the other side does not speak MCP.
    pub async fn connect<R, W>(agent: &str, read: R, write: W) -> Result<Self, ConnectError>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let name = format!("ostler-agent-{agent}");
        let info = ClientConfig::new(
            Default::default(),
            Implementation::new(name, env!("CARGO_PKG_VERSION")),
        );
        let service = serve_client(info, (read, write))
            .await
            .map_err(|error| ConnectError(Box::new(error)))?;
        Ok(Self { service })
    }
}

#[async_trait]
impl Caller for McpClient {
    async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<Reply, CallError> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let answered =
            tokio::time::timeout(CALL_TIMEOUT, self.service.peer().call_tool(params)).await;
        match answered {
            Err(_) => Err(too_late()),
            Ok(Err(error)) => Err(failed(tool, error)),
            Ok(Ok(result)) => read_result(tool, result),
        }
    }

    async fn tools(&self) -> Result<Vec<ToolInfo>, CallError> {
        let listed = tokio::time::timeout(CALL_TIMEOUT, self.service.peer().list_all_tools()).await;
        let tools = listed
            .map_err(|_| too_late())?
            .map_err(|error| failed("tools/list", error))?;
        Ok(tools.into_iter().map(read_tool).collect())
    }
}

fn too_late() -> CallError {
    CallError::Failed {
        words: format!("no answer within {} s", CALL_TIMEOUT.as_secs()),
    }
}

fn failed(tool: &str, error: ServiceError) -> CallError {
    match error {
        ServiceError::McpError(error) => CallError::Refused {
            words: error.message.into_owned(),
        },
        ServiceError::TransportClosed
        | ServiceError::TransportSend(_)
        | ServiceError::Cancelled { .. } => CallError::Closed,
        error => CallError::Malformed {
            tool: tool.to_owned(),
            problem: error.to_string(),
        },
    }
}

fn read_tool(tool: rmcp::model::Tool) -> ToolInfo {
    let meta = tool.meta.as_ref();
    let class = meta
        .and_then(|meta| meta.0.get(CLASS_META))
        .and_then(Value::as_str);
    ToolInfo {
        name: tool.name.into_owned(),
        description: tool
            .description
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default(),
        class: class.unwrap_or_default().to_owned(),
        input_schema: (*tool.input_schema).clone(),
    }
}

/// Reads what the gate answered. An error's structured content is `{call, outcome, words, approval}`;
/// a success has the tool's answer, the call's id stands in the metadata.
fn read_result(tool: &str, result: CallToolResult) -> Result<Reply, CallError> {
    let meta = |key: &str| {
        result
            .meta
            .as_ref()
            .and_then(|meta| meta.0.get(key))
            .cloned()
    };
    let body = result.structured_content.clone().unwrap_or(Value::Null);
    if result.is_error == Some(true) {
        return Err(read_error(&body, &result));
    }
    let call = meta(CALL_META).or_else(|| body.get("call").cloned());
    let call = call
        .and_then(|id| serde_json::from_value(id).ok())
        .ok_or_else(|| CallError::Malformed {
            tool: tool.to_owned(),
            problem: format!("no id of the recorded call under `{CALL_META}`"),
        })?;
    let revision = meta(REVISION_META)
        .or_else(|| body.get("revision").cloned())
        .and_then(|value| value.as_u64());
    Ok(Reply {
        call,
        value: body,
        revision,
    })
}

fn read_error(body: &Value, result: &CallToolResult) -> CallError {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let words = text("words").unwrap_or_else(|| {
        let said = result
            .content
            .iter()
            .filter_map(|block| block.as_text())
            .map(|block| block.text.as_str());
        crate::text::clean(
            &said.collect::<Vec<_>>().join(" "),
            crate::text::CLAIM_LIMIT,
        )
    });
    match text("outcome").as_deref() {
        Some("held") => CallError::Held {
            approval: text("approval").and_then(|id| ApprovalId::new(id).ok()),
            words,
        },
        Some("denied") => CallError::Denied { words },
        Some("refused") => CallError::Refused { words },
        _ => CallError::Failed { words },
    }
}
