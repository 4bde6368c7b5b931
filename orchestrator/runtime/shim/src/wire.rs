//! What daemon and shim say to each other, and what they leave on disk for one another. This one
//! file is compiled into both, so they cannot disagree.
//!
//! Instance directory: `order.json` (daemon → shim), `config.json` (the OCI bundle), `lock` (held by
//! the living shim), `control` (its socket), `running.json`, `exits/ATTEMPT.json`, `log/OFFSET.jsonl`.

use serde::{Deserialize, Serialize};

/// File names inside an instance's directory.
pub mod names {
    /// What the shim shall do.
    pub const ORDER: &str = "order.json";
    /// Held with a POSIX lock while the shim lives.
    pub const LOCK: &str = "lock";
    /// The shim's Unix socket.
    pub const CONTROL: &str = "control";
    /// What runs, written once it does.
    pub const RUNNING: &str = "running.json";
    /// Ends, one file an attempt.
    pub const EXITS: &str = "exits";
    /// Output, in files named by the offset of their first byte.
    pub const LOG: &str = "log";
    /// Where the root file system is mounted, inside the launcher's mount namespace only.
    pub const ROOTFS: &str = "rootfs";
    /// The writable layer.
    pub const UPPER: &str = "upper";
    /// Overlay's scratch space.
    pub const WORK: &str = "work";
}

/// One attempt to run an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimOrder {
    /// The container's id: the instance's name.
    pub id: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Unpacked image layers, top-most first.
    pub lower: Vec<String>,
    /// Control groups, made and limited already.
    pub cgroups: Cgroups,
    /// Bounds of the log.
    pub log: LogLimits,
    /// User of commands run inside.
    pub uid: u32,
    /// Their group.
    pub gid: u32,
    /// Their further groups.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// Where the workload and commands start; made in the container when absent.
    pub cwd: String,
}

/// The control groups of one instance: absolute directories that exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroups {
    /// One per v1 hierarchy.
    pub v1: Vec<String>,
    /// In the v2 tree, if there is one.
    pub unified: Option<String>,
    /// The file with a line `oom_kill N`: `memory.oom_control` or `memory.events`.
    pub oom: Option<String>,
}

/// Bounds of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// Bytes after which a new file begins.
    pub file_bytes: u64,
    /// Files kept.
    pub files: usize,
}

/// What the shim tells on its first pipe and to watchers, one JSON object a line.
/// End of file means: the attempt has ended, or the shim is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Report {
    /// The container's process was executed.
    Running(Running),
    /// It could not be; nothing is left running.
    Failed(Failure),
}

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Which attempt.
    pub attempt: u32,
    /// The container's main process.
    pub pid: i32,
    /// When the kernel started it, in clock ticks since boot: with the pid, who it is.
    pub start_ticks: u64,
    /// Which boot.
    pub boot: String,
    /// The shim.
    pub shim: i32,
    /// When it was seen to run, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// Why a container could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// In words.
    pub detail: String,
}

/// Kinds of start failures that the daemon tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The command is not there or may not be executed.
    CommandNotFound,
    /// No space left.
    DiskFull,
    /// Another shim holds the instance.
    Busy,
    /// Anything else.
    Other,
}

/// One end, as written to `exits/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// Which attempt.
    pub attempt: u32,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// How long it ran, in milliseconds.
    pub ran: u64,
    /// Exit code, if it exited.
    pub code: Option<i32>,
    /// Signal, if it was killed.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for its memory limit.
    pub oom: bool,
    /// Whether it was asked to end.
    pub asked: bool,
    /// Whether a failing liveness probe was why.
    pub liveness: bool,
}

/// What the daemon asks on the control socket: one JSON line, then `input` bytes for `Exec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Answered with a [`Report`] once known; then the connection ends with the attempt.
    Watch,
    /// Signal now, kill after the grace. Answered with [`Reply::Done`] at once.
    Stop {
        /// The polite signal's number.
        signal: i32,
        /// Patience in milliseconds.
        grace_ms: u64,
        /// Whether a failing liveness probe is why.
        liveness: bool,
    },
    /// Run a command inside. Answered with [`Reply::Ran`] and the bytes of both streams.
    Exec {
        /// The command and its arguments.
        command: Vec<String>,
        /// Bytes of standard input that follow the line.
        input: usize,
        /// Longest time.
        timeout_ms: u64,
        /// Most bytes kept of each stream.
        limit: usize,
    },
}

/// What the shim answers, one JSON line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Reply {
    /// Begun.
    Done,
    /// The command ended; `stdout` and then `stderr` bytes follow.
    Ran {
        /// Exit code, 128 + signal when killed.
        code: i32,
        /// Bytes of standard output.
        stdout: usize,
        /// Bytes of standard error.
        stderr: usize,
    },
    /// The command exceeded its time and was killed.
    TimedOut,
    /// Refused or failed.
    Refused {
        /// In words.
        detail: String,
    },
}

/// One line of a log file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry<'a> {
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// 1 or 2.
    pub fd: u8,
    /// Which attempt.
    pub attempt: u32,
    /// The text.
    pub text: std::borrow::Cow<'a, str>,
}

/// Longest line kept; the rest is dropped.
pub const LINE_LIMIT: usize = 8 * 1024;
/// Longest request line or standard input of a command.
pub const REQUEST_LIMIT: usize = 1 << 20;
