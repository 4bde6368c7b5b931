//! How to tell whether an instance started, lives, and may take traffic.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::time::Span;

/// The three questions; an absent one counts as answered yes once the process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Probes {
    /// Has it started? The other two wait for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// Does it live? Failing restarts the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    /// May it take traffic? Failing takes it out of rotation, no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
}

/// One question, asked again and again. Written `{http: {port: 8080, path: /healthz}, period: 5s}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ProbeText", into = "ProbeText")]
pub struct Probe {
    /// What to do.
    pub action: ProbeAction,
    /// Time between two tries, 100ms at least.
    pub period: Span,
    /// A try that takes longer has failed.
    pub timeout: Span,
    /// Wait before the first try.
    pub initial_delay: Span,
    /// Failures in a row that make it failing.
    pub failure_threshold: u32,
    /// Successes in a row that make it passing again.
    pub success_threshold: u32,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAction {
    /// GET; 200 to 399 is a yes.
    Http {
        /// The port inside the container.
        port: u16,
        /// The path, starting with a slash.
        path: String,
    },
    /// A connection that opens is a yes.
    Tcp {
        /// The port inside the container.
        port: u16,
    },
    /// A command inside the container; exit code 0 is a yes.
    Exec {
        /// The command and its arguments.
        command: Vec<String>,
    },
}

/// A probe as written: exactly one of `http`, `tcp` and `exec`, and how often.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProbeText {
    /// GET; 200 to 399 is a yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<HttpText>,
    /// A connection that opens is a yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tcp: Option<TcpText>,
    /// A command inside the container; exit code 0 is a yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exec: Option<ExecText>,
    /// Time between two tries, 100ms at least.
    #[serde(default = "ten_seconds")]
    period: Span,
    /// A try that takes longer has failed.
    #[serde(default = "one_second")]
    timeout: Span,
    /// Wait before the first try.
    #[serde(default = "zero")]
    initial_delay: Span,
    /// Failures in a row that make it failing.
    #[serde(default = "three")]
    failure_threshold: u32,
    /// Successes in a row that make it passing again.
    #[serde(default = "one")]
    success_threshold: u32,
}

/// A request to a port of the instance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HttpText {
    /// The port inside the container.
    port: u16,
    /// The path, starting with a slash; `/` when absent.
    #[serde(default = "slash")]
    path: String,
}

/// A connection to a port of the instance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TcpText {
    /// The port inside the container.
    port: u16,
}

/// A command inside the container.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExecText {
    /// The command and its arguments.
    command: Vec<String>,
}

/// A probe that says nothing to do, or several things at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a probe needs exactly one of `http`, `tcp` and `exec`, here are {0}")]
struct NotOneAction(usize);

impl TryFrom<ProbeText> for Probe {
    type Error = NotOneAction;

    fn try_from(text: ProbeText) -> Result<Self, NotOneAction> {
        let count = usize::from(text.http.is_some())
            + usize::from(text.tcp.is_some())
            + usize::from(text.exec.is_some());
        let action = match (text.http, text.tcp, text.exec) {
            (Some(http), None, None) => ProbeAction::Http {
                port: http.port,
                path: http.path,
            },
            (None, Some(tcp), None) => ProbeAction::Tcp { port: tcp.port },
            (None, None, Some(exec)) => ProbeAction::Exec {
                command: exec.command,
            },
            _ => return Err(NotOneAction(count)),
        };
        Ok(Self {
            action,
            period: text.period,
            timeout: text.timeout,
            initial_delay: text.initial_delay,
            failure_threshold: text.failure_threshold,
            success_threshold: text.success_threshold,
        })
    }
}

impl From<Probe> for ProbeText {
    fn from(probe: Probe) -> Self {
        let (mut http, mut tcp, mut exec) = (None, None, None);
        match probe.action {
            ProbeAction::Http { port, path } => http = Some(HttpText { port, path }),
            ProbeAction::Tcp { port } => tcp = Some(TcpText { port }),
            ProbeAction::Exec { command } => exec = Some(ExecText { command }),
        }
        Self {
            http,
            tcp,
            exec,
            period: probe.period,
            timeout: probe.timeout,
            initial_delay: probe.initial_delay,
            failure_threshold: probe.failure_threshold,
            success_threshold: probe.success_threshold,
        }
    }
}

impl JsonSchema for Probe {
    fn schema_name() -> Cow<'static, str> {
        "Probe".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = ProbeText::json_schema(generator);
        let one = ["http", "tcp", "exec"].map(|name| serde_json::json!({ "required": [name] }));
        schema.insert("oneOf".to_owned(), one.to_vec().into());
        schema
    }
}

fn slash() -> String {
    "/".to_owned()
}
const fn ten_seconds() -> Span {
    Span::seconds(10)
}
const fn one_second() -> Span {
    Span::seconds(1)
}
const fn zero() -> Span {
    Span(0)
}
const fn three() -> u32 {
    3
}
const fn one() -> u32 {
    1
}
