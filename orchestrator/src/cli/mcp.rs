//! What `ostler mcp` takes.

use clap::{Args, ValueEnum};

/// Arguments of `mcp`.
#[derive(Debug, Clone, Args)]
pub struct McpArgs {
    /// What the client may be: viewer looks; operator looks and asks, and a person says yes to each
    /// change; admin is you, with all that you may do, approving included
    #[arg(long, value_enum, default_value_t = McpRole::Operator)]
    pub role: McpRole,
}

/// What a desktop client may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum McpRole {
    /// Looks.
    Viewer,
    /// Looks and asks.
    Operator,
    /// The user in person.
    Admin,
}
