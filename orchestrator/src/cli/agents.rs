//! `ostler agents`

use clap::Subcommand;
use comfy_table::Color;
use ostler_core::id::AgentName;
use ostler_tools::answer::{AgentInfo, Agents};
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, coloured, show, table},
    service::change,
    words::ago,
};

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub enum AgentsCommand {
    /// List them
    List,
    /// An agent must not act until it is resumed
    Pause {
        /// Which
        agent: AgentName,
    },
    /// A paused agent may act again
    Resume {
        /// Which
        agent: AgentName,
    },
}

/// Runs it.
pub async fn run(command: AgentsCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    match command {
        AgentsCommand::List => list(client, out).await,
        AgentsCommand::Pause { agent } => {
            change(client, out, "pause_agent", json!({ "agent": agent }))
                .await
                .map(drop)
        }
        AgentsCommand::Resume { agent } => {
            change(client, out, "resume_agent", json!({ "agent": agent }))
                .await
                .map(drop)
        }
    }
}

async fn list(client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let done = client.call::<Agents>("list_agents", json!({})).await?;
        out.render(&done.raw, |out| {
            let row = |agent: &AgentInfo| {
                let status = &agent.status;
                let (state, tint) = match (agent.paused, status.state.as_str()) {
                    (true, _) => ("paused", Color::Yellow),
                    (false, "running") => ("running", Color::Green),
                    (false, other) => (other, Color::Red),
                };
                let heard = status
                    .heard_at
                    .map_or_else(|| "-".to_owned(), |at| format!("{} ago", ago(at)));
                let end = status.last_end.clone().unwrap_or_else(|| "-".to_owned());
                vec![
                    cell(&agent.name),
                    coloured(state, tint),
                    cell(heard),
                    cell(status.restarts),
                    cell(end),
                ]
            };
            let headers = ["AGENT", "STATE", "HEARD", "RESTARTS", "LAST END"];
            table(
                out,
                "no agents",
                &headers,
                done.value.agents.iter().map(row).collect(),
            )
        })
    })
    .await
}
