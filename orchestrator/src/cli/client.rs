//! The connection to the daemon: MCP over its Unix socket, or over HTTP where a server is named.

use std::path::{Path, PathBuf};

use ostler_gate::answer::{Answer, Outcome};
use ostler_tools::principal::Role;
use rmcp::{
    RoleClient, ServiceError, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation,
        JsonObject,
    },
    service::{ClientInitializeError, RunningService},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{Global, error::CliError, remote};
use crate::serve::bridge::run as bridge_run;

/// Where a daemon of this machine usually listens.
const USUAL_SOCKET: &str = "/run/ostler/ostler.sock";

/// A connection.
pub struct Client {
    service: RunningService<RoleClient, ClientConfig>,
}

/// What came of a call that was done.
pub struct Done<T> {
    /// The answer.
    pub value: T,
    /// The answer as it came, for `--output json`.
    pub raw: Value,
}

/// Where the daemon's socket is: as told, the well-known place for the machine's usual daemon, or
/// in the state directory of another.
#[must_use]
pub fn socket_path(global: &Global) -> PathBuf {
    match &global.socket {
        Some(socket) => socket.clone(),
        None if global.state_dir == Path::new(super::DEFAULT_STATE_DIR) => USUAL_SOCKET.into(),
        None => global.state_dir.join("ostler.sock"),
    }
}

/// Carries MCP between standard input and output and the daemon. An admin is the user in person.
pub async fn bridge(args: &super::McpArgs, global: &Global) -> Result<(), CliError> {
    let socket = socket_path(global);
    let assistant = match args.role {
        super::McpRole::Viewer => Some(Role::Viewer),
        super::McpRole::Operator => Some(Role::Operator),
        super::McpRole::Admin => None,
    };
    bridge_run(&socket, assistant)
        .await
        .map_err(|source| CliError::NoDaemon { socket, source })
}

impl Client {
    /// Connects and shakes hands.
    pub async fn connect(global: &Global) -> Result<Self, CliError> {
        let me = Implementation::new("ostler-cli", env!("CARGO_PKG_VERSION"));
        let config = ClientConfig::new(ClientCapabilities::default(), me);
        let service = match &global.server {
            Some(server) => config
                .serve(remote::transport(server, global)?)
                .await
                .map_err(|error| remote::no_server(server, &error))?,
            None => {
                let stream = local(global).await?;
                let talk = |error: ClientInitializeError| CliError::Talk(error.to_string());
                config.serve(stream).await.map_err(talk)?
            }
        };
        Ok(Self { service })
    }

    /// Calls a tool and reads its answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        tool: &'static str,
        args: Value,
    ) -> Result<Done<T>, CliError> {
        let mut params = CallToolRequestParams::new(tool);
        params.arguments = match args {
            Value::Object(fields) => Some(without_nulls(fields)),
            _ => None,
        };
        let result = self.service.call_tool(params).await.map_err(from_service)?;
        read(result)
    }

    /// Ends the connection politely.
    pub async fn close(self) {
        // Nothing is left to lose: every call was answered.
        let _ended = self.service.cancel().await;
    }
}

async fn local(global: &Global) -> Result<UnixStream, CliError> {
    let socket = socket_path(global);
    UnixStream::connect(&socket)
        .await
        .map_err(|source| CliError::NoDaemon { socket, source })
}

/// Absent arguments are left out rather than sent as null.
fn without_nulls(fields: JsonObject) -> JsonObject {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect()
}

fn from_service(error: ServiceError) -> CliError {
    match error {
        ServiceError::McpError(error) => CliError::Refused(error.message.into_owned()),
        other => CliError::Talk(other.to_string()),
    }
}

fn read<T: DeserializeOwned>(result: CallToolResult) -> Result<Done<T>, CliError> {
    let raw = result.structured_content.unwrap_or_default();
    if result.is_error.unwrap_or(false) {
        return Err(problem(raw));
    }
    let value = T::deserialize(&raw).map_err(|error| {
        CliError::Talk(format!(
            "its answer is of another version ({error}); update ostler"
        ))
    })?;
    Ok(Done { value, raw })
}

fn problem(raw: Value) -> CliError {
    match serde_json::from_value::<Answer>(raw).map(|answer| answer.outcome) {
        Ok(Outcome::Held { approval, words }) => CliError::Held { approval, words },
        Ok(Outcome::Denied { words, .. }) => CliError::Denied(words),
        Ok(Outcome::Refused { words }) => CliError::Refused(words),
        Ok(Outcome::Failed { words }) => CliError::Failed(words),
        Ok(Outcome::Done { .. }) | Err(_) => {
            CliError::Talk("it answered with an error that is not readable".to_owned())
        }
    }
}
