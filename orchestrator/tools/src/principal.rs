//! Who calls.

use std::fmt;

use ostler_core::id::AgentName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An authenticated caller. Made by transports from proof (peer credentials, a token, a pipe that
/// the supervisor holds), never from anything the caller says.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Principal {
    /// A person or a program acting for one.
    User {
        /// Login name or token name.
        name: String,
        /// What they may be.
        roles: Vec<Role>,
    },
    /// One of the supervised agents.
    Agent {
        /// Its registered name.
        name: AgentName,
    },
    /// The core's own rules.
    System,
}

/// What a user may be. Roles do not include each other; policies say what each may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Changes services, approves agents' proposals.
    Operator,
    /// Rules over agents, tokens, policy.
    Admin,
}

impl Role {
    /// Its name in policies and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { name, .. } => write!(f, "user:{name}"),
            Self::Agent { name } => write!(f, "agent:{name}"),
            Self::System => f.write_str("system"),
        }
    }
}
