//! `ostler down`: ends the daemon; with `--remove-services` everything it runs first, through the gate.

use std::{fs, path::Path, time::Duration};

use clap::Args;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ostler_core::id::ServiceKey;
use ostler_tools::answer::{Changed, Instances, Services};
use serde_json::json;

use super::{Global, client::Client, delete::dependents_first, error::CliError, out::Out};

/// Arguments of `down`.
#[derive(Debug, Clone, Args)]
pub struct DownArgs {
    /// Delete every service first and wait until nothing runs
    #[arg(long)]
    remove_services: bool,
}

const POLL: Duration = Duration::from_millis(50);
const REMOVING_LIMIT: Duration = Duration::from_secs(120);
const ENDING_LIMIT: Duration = Duration::from_secs(30);

/// Runs it.
pub async fn run(args: &DownArgs, global: &Global, out: &mut Out) -> Result<(), CliError> {
    if args.remove_services {
        let client = Client::connect(global).await?;
        let removed = remove_services(&client, out).await;
        client.close().await;
        removed?;
    }
    let pid = daemon(&global.state_dir)?;
    kill(pid, Signal::SIGTERM)
        .map_err(|error| CliError::Failed(format!("cannot end the daemon: {error}")))?;
    until_gone(pid).await?;
    out.note("The daemon has ended.");
    Ok(())
}

async fn remove_services(client: &Client, out: &mut Out) -> Result<(), CliError> {
    let services = client
        .call::<Services>("list_services", json!({}))
        .await?
        .value
        .services;
    let keys: Vec<ServiceKey> = services
        .into_iter()
        .map(|service| service.service)
        .collect();
    for service in dependents_first(client, keys).await? {
        out.note(&format!("Deleting {service}"));
        client
            .call::<Changed>("delete_service", json!({ "service": service }))
            .await?;
    }
    let began = tokio::time::Instant::now();
    loop {
        let left = client
            .call::<Instances>("list_instances", json!({}))
            .await?
            .value
            .instances;
        if left.is_empty() {
            return Ok(());
        }
        if began.elapsed() > REMOVING_LIMIT {
            return Err(CliError::Failed(format!(
                "{} instances are still there; see `ostler get instances`",
                left.len()
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The daemon's process, if it is one of ours and alive.
pub(super) fn daemon(state_dir: &Path) -> Result<Pid, CliError> {
    let none = || CliError::Failed(format!("no daemon runs on `{}`", state_dir.display()));
    let text = fs::read_to_string(state_dir.join("daemon.pid")).map_err(|_| none())?;
    let pid: i32 = text.trim().parse().map_err(|_| none())?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).map_err(|_| none())?;
    let is_ours = line.split(|byte| *byte == 0).any(|word| word == b"up");
    if is_ours {
        Ok(Pid::from_raw(pid))
    } else {
        Err(none())
    }
}

/// Waits until a process has ended.
pub(super) async fn until_gone(pid: Pid) -> Result<(), CliError> {
    let began = tokio::time::Instant::now();
    // A zombie has ended: its parent has not looked yet.
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        if began.elapsed() > ENDING_LIMIT {
            return Err(CliError::Failed(format!(
                "the daemon (process {pid}) does not end; its log may say why"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
