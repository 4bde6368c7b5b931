//! `ostler agents`

mod budget;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use comfy_table::Color;
use ostler_core::{
    autonomy::{Autonomy, Standing},
    id::{AgentName, Namespace},
    time::Span,
};
use ostler_tools::{
    answer::{AgentInfo, AgentLog, Agents},
    view::AgentLine,
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
    /// Let an agent act alone within policy, on a certificate of `ostler eval run --certify`
    Promote {
        /// Which
        agent: AgentName,
        /// The certificate
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// Only there; may be given several times [default: everywhere]
        #[arg(long = "in", value_name = "NAMESPACE")]
        namespaces: Vec<Namespace>,
    },
    /// Let an agent act with a person's yes only
    Demote {
        /// Which
        agent: AgentName,
        /// Why, for the log
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
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
        AgentsCommand::Budget { agent } => {
            let agents = agents(client).await?;
            budget::show(agents, agent.as_ref(), out)
        }
        AgentsCommand::Pause(which) => switch("pause_agent", which, false, client, out).await,
        AgentsCommand::Resume(which) => switch("resume_agent", which, true, client, out).await,
        AgentsCommand::Promote {
            agent,
            certificate,
            namespaces,
        } => {
            let certificate = read_text(&certificate)?;
            let call =
                json!({ "agent": agent, "certificate": certificate, "namespaces": namespaces });
            change(client, out, "promote_agent", call).await.map(drop)
        }
        AgentsCommand::Demote { agent, reason } => {
            let call = json!({ "agent": agent, "reason": reason });
            change(client, out, "demote_agent", call).await.map(drop)
        }
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

fn read_text(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path)
        .map_err(|error| CliError::Failed(format!("cannot read `{}`: {error}", path.display())))
}

/// Whether it acts alone, in a word or two.
const fn acts(agent: &AgentInfo) -> &'static str {
    match agent.standing {
        Standing::Alone => "alone",
        Standing::NotPromoted => "with a yes",
        Standing::Changed { .. } => "with a yes: changed",
        Standing::Expired => "with a yes: expired",
        Standing::Fallen { .. } => "with a yes: fell",
    }
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
                    cell(acts(agent)),
                    cell(heard(agent)),
                    cell(memory(agent)),
                    cell(agent.status.restarts),
                    cell(end),
                ]
            };
            let headers = [
                "AGENT", "STATE", "ACTS", "HEARD", "MEMORY", "RESTARTS", "LAST END",
            ];
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
    let head = head + "\n" + &section("Autonomy", &pairs(&autonomy(agent))) + &shadows(agent);
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

/// Who thinks along and does nothing, and how often it concluded otherwise; nothing where nobody does.
fn shadows(agent: &AgentInfo) -> String {
    let mut lines = Vec::new();
    if let Some(budget) = &agent.status.shadow_budget {
        lines.push(("Thinks along", budget.planner.join(", then ")));
    }
    for tally in &agent.shadows {
        let prompt: String = tally.prompt.chars().take(12).collect();
        let words = format!(
            "{} with prompt {prompt}: {}; last {} ago",
            tally.planner.join(", then "),
            tally.in_words(),
            ago(tally.last_at)
        );
        lines.push(("Compared", words));
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{}", section("Shadow", &pairs(&lines)))
}

/// What runs, how it stands, on which certificate, and its record.
fn autonomy(agent: &AgentInfo) -> Vec<(&'static str, String)> {
    let record = &agent.record;
    let mut lines = vec![("Standing", agent.standing.in_words())];
    if let Some(make) = &agent.status.make {
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        lines.push(("Runs as", short(&make.digest())));
        lines.push(("Build", short(&make.build)));
        lines.push(("Prompt", short(&make.prompt)));
        lines.push(("Planner", make.planner.join(", then ")));
    }
    if let Some(autonomy) = &agent.autonomy {
        lines.extend(certificate(autonomy));
    }
    let words = format!(
        "{} verified, {} taken back, {} overruled by people",
        record.verified, record.undone, record.overruled
    );
    lines.push(("Record", words));
    lines
}

fn certificate(autonomy: &Autonomy) -> Vec<(&'static str, String)> {
    let (certificate, scores) = (&autonomy.certificate, &autonomy.certificate.scores);
    let percent = |thousandths: u64| format!("{}.{} %", thousandths / 10, thousandths % 10);
    let places: Vec<String> = autonomy
        .namespaces
        .iter()
        .map(ToString::to_string)
        .collect();
    let place = if places.is_empty() {
        "everywhere".to_owned()
    } else {
        places.join(", ")
    };
    vec![
        ("Promoted", format!("{} ago, {place}", ago(autonomy.since))),
        (
            "Certificate",
            format!(
                "by {} over {} ({} cases), until {}",
                autonomy.evaluator,
                certificate.suite,
                scores.cases,
                moment(certificate.expires_at)
            ),
        ),
        (
            "Scores",
            format!(
                "at least {} passed, at least {} mended, at most {} false alarms; harm: {} minor, {} major, {} catastrophic; {} not allowed",
                percent(scores.passed),
                percent(scores.mended),
                percent(scores.false_alarms),
                scores.minor,
                scores.major,
                scores.catastrophic,
                scores.unauthorised
            ),
        ),
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
