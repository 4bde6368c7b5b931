//! What can go wrong for someone at a terminal, in words, each with its exit code.

use std::{io, path::PathBuf};

use ostler_core::id::ApprovalId;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Nobody listens.
    #[error("no daemon answers on `{}`", socket.display())]
    NoDaemon {
        /// Where.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server that was named does not serve.
    #[error("the daemon at `{server}` cannot be used: {why}")]
    NoServer {
        /// Its address.
        server: String,
        /// Why, in words.
        why: String,
    },
    /// The daemon went away or does not speak MCP.
    #[error("the daemon cannot be talked to: {0}")]
    Talk(String),
    /// The command was not understood.
    #[error("{0}")]
    Usage(String),
    /// Policy wants a person's yes.
    #[error("held for approval `{approval}`: {words}")]
    Held {
        /// What to approve.
        approval: ApprovalId,
        /// Who can say yes, and why.
        words: String,
    },
    /// Policy says no.
    #[error("denied: {0}")]
    Denied(String),
    /// The arguments are not acceptable.
    #[error("{0}")]
    Refused(String),
    /// It was permitted and could not be done.
    #[error("{0}")]
    Failed(String),
    /// A file or stream of this side.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The reader of standard output went away.
    #[error("standard output was closed")]
    Closed,
    /// A command in an instance ended with this code.
    #[error("the command ended with exit code {0}")]
    Exit(u8),
}

impl CliError {
    /// A failed operation on this side.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }

    /// The code that the process ends with.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Failed(_) | Self::Io { .. } => 1,
            Self::Usage(_) => 2,
            Self::Denied(_) => 3,
            Self::Held { .. } => 4,
            Self::NoDaemon { .. } | Self::NoServer { .. } | Self::Talk(_) => 5,
            Self::Closed => 0,
            Self::Exit(code) => *code,
        }
    }

    /// What to do next, where that can be said.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoDaemon { .. } => Some(
                "start one with `ostler up --detach`, or name its socket with --socket, or its address with --server".to_owned(),
            ),
            Self::Held { approval, .. } => Some(format!(
                "nothing was changed; someone else says yes with `ostler approve {approval}`, then run the same command again"
            )),
            Self::Denied(_) => {
                Some("`ostler policy explain TOOL` says what policy looks at".to_owned())
            }
            _ => None,
        }
    }
}
