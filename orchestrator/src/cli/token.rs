//! `ostler token`: create, revoke, list.

use clap::{Subcommand, ValueEnum};
use ostler_core::time::Span;
use ostler_tools::answer::TokenMade;
use serde_json::json;

use super::{client::Client, error::CliError, get, out::Out, print::show, words::moment};

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make one; it is shown this once
    Create {
        /// The user's name in the audit log
        name: String,
        /// What it may be
        #[arg(long = "role", value_enum, required = true, value_delimiter = ',')]
        roles: Vec<RoleArg>,
        /// How long it is good, `365d` at most
        #[arg(long, default_value = "30d", value_name = "SPAN")]
        expires_in: Span,
    },
    /// End one at once
    Revoke {
        /// Which
        name: String,
    },
    /// List them; secrets are never shown
    List,
}

/// Roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Looks.
    Viewer,
    /// Changes services, approves.
    Operator,
    /// Rules over agents, tokens, policy.
    Admin,
}

impl RoleArg {
    /// Its name in arguments.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Runs it.
pub async fn run(command: TokenCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    match command {
        TokenCommand::Create {
            name,
            roles,
            expires_in,
        } => {
            let roles: Vec<&str> = roles.into_iter().map(RoleArg::as_str).collect();
            let call = json!({ "name": name, "roles": roles, "expires_in": expires_in });
            let done = client.call::<TokenMade>("create_token", call).await?;
            let made = &done.value;
            if !out.machine() {
                out.note(&format!(
                    "token `{}`, good until {} UTC; it is shown this once:",
                    made.name,
                    moment(made.expires_at)
                ));
            }
            let text = out.render(&done.raw, |_| made.token.clone().unwrap_or_default())?;
            out.line(&text)
        }
        TokenCommand::Revoke { name } => {
            let done = client
                .call::<TokenMade>("revoke_token", json!({ "name": name }))
                .await?;
            let text = out.render(&done.raw, |_| format!("token `{}` ended", done.value.name))?;
            out.line(&text)
        }
        TokenCommand::List => show(out, async |out| get::tokens(client, out, None).await).await,
    }
}
