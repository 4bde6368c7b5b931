//! What instances write, as backends tell it.

use ostler_core::time::Time;
use serde::{Deserialize, Serialize};

/// Which lines of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Only lines after this cursor, as an earlier page gave it.
    pub after: Option<u64>,
    /// Only lines since then.
    pub since: Option<Time>,
    /// The last so many of those, 10,000 at most.
    pub tail: u32,
}

/// Lines of a log, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Where the next page begins.
    pub cursor: u64,
    /// Whether older lines were rotated away before the page's start.
    pub truncated: bool,
}

/// One line; untrusted text, cut at 8 KiB, control characters stripped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub at: Time,
    /// Which stream.
    pub stream: Stream,
    /// Which attempt wrote it.
    pub attempt: u32,
    /// The text.
    pub text: String,
}

/// A process's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
