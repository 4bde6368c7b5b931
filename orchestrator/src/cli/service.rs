//! Changes of services: `scale`, `restart`, `limits`, `rollback`, `undo`; and `changes` that were made.

use std::time::Duration;

use clap::Args;
use ostler_core::{
    id::ServiceKey,
    time::Span,
    units::{Bytes, MilliCpu},
};
use ostler_tools::answer::{Changed, Changes, PastChangeInfo};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, show, table},
    progress,
    words::{moment, short},
};

/// Whether to wait, and how long.
#[derive(Debug, Args)]
pub struct Waiting {
    /// Return only when the service is as wanted
    #[arg(long)]
    wait: bool,
    /// With --wait: how long to wait
    #[arg(long, default_value = "5m", value_name = "SPAN")]
    timeout: Span,
}

/// Arguments of `scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Which service
    service: ServiceKey,
    /// How many instances
    replicas: u32,
    #[command(flatten)]
    waiting: Waiting,
}

/// Arguments of `restart`.
#[derive(Debug, Args)]
pub struct RestartArgs {
    /// A service, or the id of one of its instances
    name: String,
}

/// Arguments of `limits`.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// Which service
    service: ServiceKey,
    /// Most CPU, such as `500m`
    #[arg(long)]
    cpu: Option<MilliCpu>,
    /// Most memory, such as `256Mi`
    #[arg(long)]
    memory: Option<Bytes>,
    /// Most processes and threads
    #[arg(long)]
    pids: Option<u32>,
    /// CPU to reserve, at most the limit
    #[arg(long)]
    cpu_request: Option<MilliCpu>,
    /// Memory to reserve, at most the limit
    #[arg(long)]
    memory_request: Option<Bytes>,
    #[command(flatten)]
    waiting: Waiting,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Which service
    service: ServiceKey,
    /// The generation to go back to [default: the last good one]
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    #[command(flatten)]
    waiting: Waiting,
}

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The revision that the change made; `ostler changes` lists them
    revision: u64,
}

/// Arguments of `changes`.
#[derive(Debug, Args)]
pub struct ChangesArgs {
    /// Only changes that touched this service
    service: Option<ServiceKey>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

/// Makes a change and says what was done.
pub async fn change(
    client: &Client,
    out: &mut Out,
    tool: &'static str,
    args: Value,
) -> Result<Changed, CliError> {
    let done = client.call::<Changed>(tool, args).await?;
    let text = out.render(&done.raw, |_| {
        let undo = if done.value.undoable {
            format!("; `ostler undo {}` takes it back", done.value.revision)
        } else {
            String::new()
        };
        format!(
            "{} (revision {}{undo})",
            done.value.summary, done.value.revision
        )
    })?;
    out.line(&text)?;
    for told in &done.value.told {
        out.note(&format!("note: {told}"));
    }
    Ok(done.value)
}

impl Waiting {
    async fn follow(
        &self,
        client: &Client,
        out: &Out,
        services: &[ServiceKey],
    ) -> Result<(), CliError> {
        if !self.wait {
            return Ok(());
        }
        progress::until_healthy(client, out, services, Duration::from_millis(self.timeout.0)).await
    }
}

/// Runs `scale`.
pub async fn scale(args: ScaleArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let call = json!({ "service": args.service, "replicas": args.replicas });
    let changed = change(client, out, "scale_service", call).await?;
    args.waiting.follow(client, out, &changed.services).await
}

/// Runs `restart`: an instance where there is one of that name, else a service.
pub async fn restart(args: RestartArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let found = super::logs::instances(client).await?;
    let (tool, call) = if found.iter().any(|info| info.instance.as_str() == args.name) {
        ("restart_instances", json!({ "instances": [args.name] }))
    } else {
        ("restart_service", json!({ "service": args.name }))
    };
    change(client, out, tool, call).await.map(drop)
}

/// Runs `limits`.
pub async fn limits(args: LimitsArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let call = json!({ "service": args.service, "cpu": args.cpu, "memory": args.memory, "pids": args.pids,
        "cpu_request": args.cpu_request, "memory_request": args.memory_request });
    let changed = change(client, out, "set_limits", call).await?;
    args.waiting.follow(client, out, &changed.services).await
}

/// Runs `rollback`.
pub async fn rollback(args: RollbackArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let call = json!({ "service": args.service, "generation": args.to });
    let changed = change(client, out, "rollback_service", call).await?;
    args.waiting.follow(client, out, &changed.services).await
}

/// Runs `undo`.
pub async fn undo(args: UndoArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    change(
        client,
        out,
        "undo_change",
        json!({ "revision": args.revision }),
    )
    .await
    .map(drop)
}

/// Runs `changes`.
pub async fn changes(args: ChangesArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let call = json!({ "service": args.service, "limit": args.limit });
        let done = client.call::<Changes>("list_changes", call).await?;
        out.render(&done.raw, |out| {
            let rows = done.value.changes.iter().map(change_row).collect();
            table(
                out,
                "no changes",
                &[
                    "REVISION",
                    "WHEN (UTC)",
                    "WHO",
                    "TOOL",
                    "WHAT",
                    "SERVICES",
                    "UNDO",
                ],
                rows,
            )
        })
    })
    .await
}

fn change_row(change: &PastChangeInfo) -> Vec<comfy_table::Cell> {
    let services: Vec<String> = change.services.iter().map(short).collect();
    vec![
        cell(change.revision),
        cell(moment(change.at)),
        cell(&change.principal),
        cell(&change.tool),
        cell(&change.summary),
        cell(services.join(", ")),
        cell(if change.undoable { "yes" } else { "no" }),
    ]
}
