//! `ostler agents`

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use comfy_table::{Cell, Color};
use ostler_core::{id::AgentName, time::Span};
use ostler_tools::{
    answer::{AgentInfo, AgentLog, Agents},
    view::{AgentBudget, AgentLine, Most, Spent},
};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, coloured, pairs, section, show, table},
    service::change,
    words::{ago, moment, size, untrusted},
};

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub enum AgentsCommand {
    /// List them
    List,
    /// Everything about one
    Describe {
        /// Which
        agent: AgentName,
    },
    /// What one wrote
    Logs {
        /// Which
        agent: AgentName,
        /// The last so many lines, 500 at most
        #[arg(long, default_value_t = 100, value_name = "LINES")]
        tail: u32,
        /// Only lines of the last so long, such as `10m`
        #[arg(long, value_name = "SPAN")]
        since: Option<Span>,
    },
    /// What agents may spend on language models, and did
    Budget {
        /// Only this one's
        agent: Option<AgentName>,
    },
    /// The kill switch: an agent, or all of them, ends at once and must not act until resumed
    Pause(Which),
    /// A paused agent may act again
    Resume(Which),
}

/// One agent or all of them.
#[derive(Debug, Args)]
pub struct Which {
    /// Which
    #[arg(required_unless_present = "all")]
    agent: Option<AgentName>,
    /// Every agent there is
    #[arg(long, conflicts_with = "agent")]
    all: bool,
}

/// Runs it.
pub async fn run(command: AgentsCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    match command {
        AgentsCommand::List => list(client, out).await,
        AgentsCommand::Describe { agent } => describe(&agent, client, out).await,
        AgentsCommand::Logs { agent, tail, since } => {
            let call = json!({ "agent": agent, "tail": tail, "since": since });
            logs(call, client, out).await
        }
        AgentsCommand::Budget { agent } => budgets(agent.as_ref(), client, out).await,
        AgentsCommand::Pause(which) => switch("pause_agent", which, false, client, out).await,
        AgentsCommand::Resume(which) => switch("resume_agent", which, true, client, out).await,
    }
}

async fn agents(client: &Client) -> Result<Vec<AgentInfo>, CliError> {
    let done = client.call::<Agents>("list_agents", json!({})).await?;
    Ok(done.value.agents)
}

/// Pauses or resumes; of all agents, those that are not already as wanted.
async fn switch(
    tool: &'static str,
    which: Which,
    paused: bool,
    client: &Client,
    out: &mut Out,
) -> Result<(), CliError> {
    let names: Vec<AgentName> = match which.agent {
        Some(agent) => vec![agent],
        None => agents(client)
            .await?
            .into_iter()
            .filter(|agent| agent.paused == paused)
            .map(|agent| agent.name)
            .collect(),
    };
    for agent in names {
        change(client, out, tool, json!({ "agent": agent })).await?;
    }
    Ok(())
}

fn state(agent: &AgentInfo) -> (&str, Color) {
    match (agent.paused, agent.status.state.as_str()) {
        (true, _) => ("paused", Color::Yellow),
        (false, "running") => ("running", Color::Green),
        (false, other) => (other, Color::Red),
    }
}

fn heard(agent: &AgentInfo) -> String {
    let at = agent.status.heard_at;
    at.map_or_else(|| "-".to_owned(), |at| format!("{} ago", ago(at)))
}

fn memory(agent: &AgentInfo) -> String {
    let memory = agent.status.memory;
    memory.map_or_else(|| "-".to_owned(), |memory| size(memory.0))
}

async fn list(client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let done = client.call::<Agents>("list_agents", json!({})).await?;
        out.render(&done.raw, |out| {
            let row = |agent: &AgentInfo| {
                let (state, tint) = state(agent);
                let end = agent
                    .status
                    .last_end
                    .clone()
                    .unwrap_or_else(|| "-".to_owned());
                vec![
                    cell(&agent.name),
                    coloured(state, tint),
                    cell(heard(agent)),
                    cell(memory(agent)),
                    cell(agent.status.restarts),
                    cell(end),
                ]
            };
            let headers = ["AGENT", "STATE", "HEARD", "MEMORY", "RESTARTS", "LAST END"];
            let rows = done.value.agents.iter().map(row).collect();
            table(out, "no agents", &headers, rows)
        })
    })
    .await
}

async fn describe(name: &AgentName, client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let done = client.call::<Agents>("list_agents", json!({})).await?;
        let found = done.value.agents.iter().find(|agent| agent.name == *name);
        let agent = found.ok_or_else(|| {
            CliError::Failed(format!(
                "there is no agent `{name}`; `ostler agents list` lists them"
            ))
        })?;
        let raw = serde_json::to_value(agent).unwrap_or_default();
        out.render(&raw, |_| description(agent))
    })
    .await
}

fn description(agent: &AgentInfo) -> String {
    let status = &agent.status;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let head = pairs(&[
        ("Agent", agent.name.to_string()),
        ("State", state(agent).0.to_owned()),
        ("Lives in", status.lodging.clone()),
        ("Process", or_none(status.pid.map(|pid| pid.to_string()))),
        ("Memory", memory(agent)),
        (
            "CPU time",
            or_none(status.cpu_us.map(|us| format!("{:.1} s", us as f64 / 1e6))),
        ),
        ("Heard", heard(agent)),
        ("Restarts", status.restarts.to_string()),
        ("Last end", or_none(status.last_end.clone())),
    ]);
    if status.ends.is_empty() {
        return head;
    }
    let causes: Vec<(&str, String)> = status
        .ends
        .iter()
        .map(|(cause, count)| (cause.as_str(), count.to_string()))
        .collect();
    head + "\n" + &section("Ends by cause", &pairs(&causes))
}

async fn budgets(only: Option<&AgentName>, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let mut agents = agents(client).await?;
    agents.retain(|agent| {
        agent.status.budget.is_some() && only.is_none_or(|only| agent.name == *only)
    });
    let raw: BTreeMap<&AgentName, &Option<AgentBudget>> = agents
        .iter()
        .map(|agent| (&agent.name, &agent.status.budget))
        .collect();
    let raw = serde_json::to_value(raw).unwrap_or_default();
    let text = out.render(&raw, |out| {
        let headers = ["AGENT", "BUDGET OF", "TOKENS", "MONEY", "SECONDS"];
        let none = "no agent plans with language models";
        table(
            out,
            none,
            &headers,
            agents.iter().flat_map(budget_rows).collect(),
        )
    })?;
    out.line(&text)
}

/// What is spent of each budget and what it is; turns and incidents have accounts of their own.
fn budget_rows(agent: &AgentInfo) -> Vec<Vec<Cell>> {
    let Some(budget) = &agent.status.budget else {
        return Vec::new();
    };
    let row = |of: &str, spent: Option<Spent>, most: Most| {
        let pair = |spent: Option<String>, most: Option<String>| {
            let most = most.unwrap_or_else(|| "no limit".to_owned());
            spent.map_or_else(|| most.clone(), |spent| format!("{spent} of {most}"))
        };
        let money = |nano: u64| format!("{:.4}", nano as f64 / 1e9);
        vec![
            cell(&agent.name),
            cell(of),
            cell(pair(
                spent.map(|spent| spent.tokens.to_string()),
                Some(most.tokens.to_string()),
            )),
            cell(pair(
                spent.map(|spent| money(spent.nano)),
                most.nano.map(money),
            )),
            cell(pair(
                spent.map(|spent| spent.seconds.to_string()),
                most.seconds.map(|seconds| seconds.to_string()),
            )),
        ]
    };
    vec![
        row("the last hour", Some(budget.spent_in_hour), budget.hour),
        row("an incident", None, budget.incident),
        row("a turn", None, budget.turn),
    ]
}

async fn logs(call: Value, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let done = client.call::<AgentLog>("read_agent_logs", call).await?;
    let text = out.render(&done.raw, |_| {
        let line = |line: &AgentLine| format!("{}  {}", moment(line.at), untrusted(&line.text));
        let lines: Vec<String> = done.value.untrusted_lines.iter().map(line).collect();
        lines.join("\n")
    })?;
    out.line(&text)
}
