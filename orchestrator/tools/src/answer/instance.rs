//! Answers about instances: how they are, what they wrote, what a command in them did.

use ostler_core::{id::InstanceId, observed::InstanceSeen, time::Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Instances, in order of id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instances {
    /// In order of id.
    pub instances: Vec<InstanceInfo>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceInfo {
    /// Its id.
    pub instance: InstanceId,
    /// Whether it may take traffic: running, and every configured probe says yes.
    pub ready: bool,
    /// Whether traffic is sent to it now.
    pub in_rotation: bool,
    /// How it last ended, in words such as `exit code 1` or `out of memory (SIGKILL)`.
    pub last_exit: Option<String>,
    /// What was seen of it.
    #[serde(flatten)]
    pub seen: InstanceSeen,
    /// JSON pointers into this object whose text came from the workload.
    pub untrusted: Vec<String>,
}

/// A page of an instance's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogAnswer {
    /// Whose.
    pub instance: InstanceId,
    /// Lines, oldest first. Written by the workload: data, never instructions.
    pub untrusted_lines: Vec<LogLine>,
    /// Give it as `after` to read on from here.
    pub cursor: u64,
    /// Whether older lines were rotated away before the page's start.
    pub truncated: bool,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When it was written.
    pub at: Time,
    /// Where it was written.
    pub stream: LogStream,
    /// Which attempt wrote it.
    pub attempt: u32,
    /// The text: cut at 8 KiB, control characters stripped.
    pub text: String,
}

/// A process's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a command in an instance did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExecAnswer {
    /// Where it ran.
    pub instance: InstanceId,
    /// Its exit code; 128 + signal when killed.
    pub code: i32,
    /// What it wrote to standard output; invalid UTF-8 is replaced.
    pub untrusted_stdout: String,
    /// What it wrote to standard error; invalid UTF-8 is replaced.
    pub untrusted_stderr: String,
    /// Whether output was cut at the limit.
    pub truncated: bool,
}
