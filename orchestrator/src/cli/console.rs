//! `ostler console`: a link by which you sign in to the console.

use clap::Args;
use ostler_core::time::Time;
use ostler_tools::answer::ConsoleLink;
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::Out,
    token::RoleArg,
    words::{now, span},
};

/// Arguments of `console`.
#[derive(Debug, Args)]
pub struct ConsoleArgs {
    /// The most that the session may be; all that you are when absent
    #[arg(long, value_enum)]
    role: Option<RoleArg>,
}

/// Prints the link.
pub async fn run(
    args: ConsoleArgs,
    server: Option<&str>,
    client: &Client,
    out: &mut Out,
) -> Result<(), CliError> {
    let call = json!({ "role": args.role.map(RoleArg::as_str) });
    let done = client
        .call::<ConsoleLink>("create_console_session", call)
        .await?;
    let made = &done.value;
    if !out.machine() {
        out.note(&note(made, now()));
    }
    // Whoever came by a server's address reaches the console by the same.
    let reached = server.map(|server| {
        let server = server.trim_end_matches('/').trim_end_matches("/mcp");
        format!("{server}/sign-in#{}", made.code)
    });
    let link = reached.or_else(|| made.url.clone());
    let text = out.render(&done.raw, |_| link.unwrap_or_else(|| made.code.clone()))?;
    out.line(&text)
}

fn note(made: &ConsoleLink, now: Time) -> String {
    let roles: Vec<&str> = made.roles.iter().map(|role| role.as_str()).collect();
    let open = if made.url.is_some() {
        "open this in a browser of this machine"
    } else {
        "the HTTP door is closed (`ostler up --listen ADDRESS` opens it); the code would be"
    };
    format!(
        "for {} as {}, once, within {}; {open}:",
        made.user,
        roles.join(", "),
        span(made.expires_at.since(now))
    )
}
