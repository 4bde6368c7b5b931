//! `ostler get`: lists of things.

use clap::{Args, ValueEnum};
use comfy_table::{Cell, Color};
use ostler_core::observed::{InstanceSeen, Phase};
use ostler_tools::answer::{
    Image, Images, InstanceInfo, Instances, NodeInfo, Nodes, SecretInfo, Secrets, ServiceSummary,
    Services, TokenInfo, Tokens,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, coloured, show, table},
    words::{ago, colour_of, moment, short, size, word},
};

/// Arguments of `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// What
    #[arg(value_enum)]
    pub what: What,
    /// Only this one; for instances also the name of their service
    pub name: Option<String>,
}

/// Things that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// What should run.
    #[value(alias = "service", alias = "svc")]
    Services,
    /// What runs.
    #[value(alias = "instance")]
    Instances,
    /// Where.
    #[value(alias = "node")]
    Nodes,
    /// Made of what.
    #[value(alias = "image")]
    Images,
    /// Names of secrets.
    #[value(alias = "secret")]
    Secrets,
    /// Tokens of the HTTP door.
    #[value(alias = "token")]
    Tokens,
}

/// Runs it.
pub async fn run(args: GetArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let name = args.name.as_deref();
    show(out, async |out| match args.what {
        What::Services => services(client, out, name).await,
        What::Instances => instances(client, out, name).await,
        What::Nodes => nodes(client, out, name).await,
        What::Images => images(client, out, name).await,
        What::Secrets => secrets(client, out, name).await,
        What::Tokens => tokens(client, out, name).await,
    })
    .await
}

/// Asks for a list and keeps of its `field` those whose `key` is the name, or `namespace/name` of it.
async fn list<T: DeserializeOwned>(
    client: &Client,
    (tool, field, key): (&'static str, &str, &str),
    name: Option<&str>,
) -> Result<(Value, T), CliError> {
    let mut raw = client.call::<Value>(tool, json!({})).await?.raw;
    if let (Some(name), Some(Value::Array(items))) = (name, raw.get_mut(field)) {
        let full = format!("default/{name}");
        items.retain(|item| {
            item.get(key)
                .and_then(Value::as_str)
                .is_some_and(|key| key == name || key == full)
        });
        if items.is_empty() {
            return Err(CliError::Failed(format!(
                "there is no `{name}` among the {field}; `ostler get {field}` lists them"
            )));
        }
    }
    let value = T::deserialize(&raw)
        .map_err(|error| CliError::Talk(format!("its answer is of another version: {error}")))?;
    Ok((raw, value))
}

async fn services(client: &Client, out: &Out, name: Option<&str>) -> Result<String, CliError> {
    let (raw, found): (_, Services) =
        list(client, ("list_services", "services", "service"), name).await?;
    out.render(&raw, |out| {
        let mut headers = vec![
            "SERVICE",
            "STATE",
            "READY",
            "UP TO DATE",
            "RESTARTS",
            "CHANGED",
        ];
        if out.wide() {
            headers.extend(["GENERATION", "IMAGE", "FINDINGS"]);
        }
        let rows = found
            .services
            .iter()
            .map(|summary| service_row(out, summary))
            .collect();
        table(
            out,
            "no services; create some with `ostler apply -f FILE`",
            &headers,
            rows,
        )
    })
}

fn service_row(out: &Out, summary: &ServiceSummary) -> Vec<Cell> {
    let state = summary
        .state
        .map_or_else(|| "unknown".to_owned(), |state| word(&state));
    let mut row = vec![
        cell(short(&summary.service)),
        coloured(state, colour_of(summary.state)),
        cell(format!("{}/{}", summary.ready, summary.wanted)),
        cell(summary.updated),
        cell(summary.restarts),
        cell(ago(summary.changed_at)),
    ];
    if out.wide() {
        let findings: Vec<String> = summary
            .findings
            .iter()
            .map(super::describe::finding)
            .collect();
        row.extend([
            cell(summary.generation),
            cell(&summary.image),
            cell(findings.join("; ")),
        ]);
    }
    row
}

async fn instances(client: &Client, out: &Out, name: Option<&str>) -> Result<String, CliError> {
    let mut done = client
        .call::<Instances>("list_instances", json!({}))
        .await?;
    if let Some(name) = name {
        let wanted = |info: &InstanceInfo| {
            let service = info.seen.service.to_string();
            info.instance.as_str() == name
                || service == name
                || service == format!("default/{name}")
        };
        done.value.instances.retain(wanted);
        if done.value.instances.is_empty() {
            return Err(CliError::Failed(format!(
                "there is no instance `{name}`, nor a service of that name with instances"
            )));
        }
        done.raw = serde_json::to_value(&done.value).unwrap_or_default();
    }
    out.render(&done.raw, |out| instance_table(out, &done.value.instances))
}

/// Instances as a table.
pub fn instance_table(out: &Out, instances: &[InstanceInfo]) -> String {
    let mut headers = vec!["INSTANCE", "PHASE", "READY", "RESTARTS", "LAST END", "AGE"];
    if out.wide() {
        headers.extend(["TRAFFIC", "GENERATION", "ADDRESS", "PID", "NODE"]);
    }
    let rows = instances
        .iter()
        .map(|info| instance_row(out, info))
        .collect();
    table(out, "no instances", &headers, rows)
}

fn instance_row(out: &Out, info: &InstanceInfo) -> Vec<Cell> {
    let seen = &info.seen;
    let (phase, colour) = phase(seen);
    let mut row = vec![
        cell(&info.instance),
        coloured(phase, colour),
        cell(yes(info.ready)),
        cell(seen.attempt.saturating_sub(1)),
        cell(info.last_exit.as_deref().unwrap_or("-")),
        cell(ago(seen.created_at)),
    ];
    if out.wide() {
        row.extend([
            cell(yes(info.in_rotation)),
            cell(seen.generation),
            cell(
                seen.address
                    .map_or_else(|| "-".to_owned(), |address| address.to_string()),
            ),
            cell(
                seen.pid
                    .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            ),
            cell(&seen.node),
        ]);
    }
    row
}

const fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// An instance's phase in words, and its colour.
pub fn phase(seen: &InstanceSeen) -> (String, Color) {
    match &seen.phase {
        Phase::Starting => ("starting".to_owned(), Color::Cyan),
        Phase::Running => ("running".to_owned(), Color::Green),
        Phase::Stopping => ("stopping".to_owned(), Color::Cyan),
        Phase::Ended => ("ended".to_owned(), Color::Yellow),
        Phase::Failed { problem } => (format!("failed: {}", word(&problem.kind)), Color::Red),
        Phase::Unknown => ("unknown".to_owned(), Color::Yellow),
    }
}

async fn nodes(client: &Client, out: &Out, name: Option<&str>) -> Result<String, CliError> {
    let (raw, found): (_, Nodes) = list(client, ("list_nodes", "nodes", "node"), name).await?;
    out.render(&raw, |out| {
        let headers = [
            "NODE",
            "STATE",
            "INSTANCES",
            "CPU RESERVED",
            "MEMORY RESERVED",
            "SEEN",
        ];
        table(
            out,
            "no nodes",
            &headers,
            found.nodes.iter().map(node_row).collect(),
        )
    })
}

fn node_row(node: &NodeInfo) -> Vec<Cell> {
    let (state, colour) = match node {
        NodeInfo { draining: true, .. } => ("draining", Color::Yellow),
        NodeInfo { cordoned: true, .. } => ("cordoned", Color::Yellow),
        NodeInfo { seen, .. } if seen.ready => ("ready", Color::Green),
        _ => ("not ready", Color::Red),
    };
    vec![
        cell(&node.node),
        coloured(state, colour),
        cell(format!("{}/{}", node.instances, node.seen.max_instances)),
        cell(format!("{} of {}", node.reserved_cpu, node.seen.cpu)),
        cell(format!(
            "{} of {}",
            size(node.reserved_memory.0),
            size(node.seen.memory.0)
        )),
        cell(ago(node.seen.seen_at)),
    ]
}

/// Images as the store has them.
pub async fn images(client: &Client, out: &Out, name: Option<&str>) -> Result<String, CliError> {
    let (raw, found): (_, Images) = list(client, ("list_images", "images", "name"), name).await?;
    out.render(&raw, |out| image_table(out, &found.images))
}

/// Images as a table.
pub fn image_table(out: &Out, images: &[Image]) -> String {
    let digest = |image: &Image| {
        let length = if out.wide() { image.digest.len() } else { 19 };
        image.digest.chars().take(length).collect::<String>()
    };
    let rows = images.iter().map(|image| {
        vec![
            cell(&image.name),
            cell(digest(image)),
            cell(size(image.size)),
        ]
    });
    table(
        out,
        "no images",
        &["IMAGE", "DIGEST", "SIZE"],
        rows.collect(),
    )
}

/// Names of secrets.
pub async fn secrets(client: &Client, out: &Out, name: Option<&str>) -> Result<String, CliError> {
    let (raw, found): (_, Secrets) =
        list(client, ("list_secrets", "secrets", "secret"), name).await?;
    out.render(&raw, |out| {
        let row = |info: &SecretInfo| {
            let stored = if info.exists {
                coloured("yes", Color::Green)
            } else {
                coloured("missing", Color::Red)
            };
            let users: Vec<String> = info.used_by.iter().map(short).collect();
            vec![
                cell(&info.secret),
                stored,
                cell(if users.is_empty() {
                    "-".to_owned()
                } else {
                    users.join(", ")
                }),
            ]
        };
        table(
            out,
            "no secrets",
            &["SECRET", "STORED", "USED BY"],
            found.secrets.iter().map(row).collect(),
        )
    })
}

/// Tokens of the HTTP door.
pub async fn tokens(client: &Client, out: &Out, name: Option<&str>) -> Result<String, CliError> {
    let (raw, found): (_, Tokens) = list(client, ("list_tokens", "tokens", "name"), name).await?;
    out.render(&raw, |out| {
        let row = |info: &TokenInfo| {
            let roles: Vec<&str> = info.roles.iter().map(|role| role.as_str()).collect();
            let ends = if info.expired {
                coloured("expired", Color::Red)
            } else {
                cell(moment(info.expires_at))
            };
            vec![
                cell(&info.name),
                cell(roles.join(", ")),
                cell(ago(info.created_at)),
                ends,
            ]
        };
        table(
            out,
            "no tokens",
            &["TOKEN", "ROLES", "AGE", "ENDS (UTC)"],
            found.tokens.iter().map(row).collect(),
        )
    })
}
