//! `ostler delete`: services by name, or those of a manifest file, dependents first.

use std::{io::IsTerminal, path::PathBuf};

use clap::Args;
use ostler_core::{id::ServiceKey, spec::read_manifests};
use ostler_tools::answer::Graph;
use serde_json::json;

use super::{client::Client, error::CliError, files, out::Out, service::change, words::short};

/// Arguments of `delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Which services
    #[arg(required_unless_present = "file")]
    services: Vec<ServiceKey>,
    /// Those of a manifest file, a directory, or `-`
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE|DIR|-",
        conflicts_with = "services"
    )]
    file: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Runs it.
pub async fn run(args: DeleteArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let mut services = args.services;
    if let Some(file) = &args.file {
        let manifests = read_manifests(&files::manifests(file)?)
            .map_err(|error| CliError::Usage(error.to_string()))?;
        services = manifests.iter().map(|manifest| manifest.key()).collect();
    }
    if !args.yes {
        confirm(out, &services)?;
    }
    for service in dependents_first(client, services).await? {
        change(client, out, "delete_service", json!({ "service": service })).await?;
    }
    Ok(())
}

fn confirm(out: &Out, services: &[ServiceKey]) -> Result<(), CliError> {
    let names: Vec<String> = services.iter().map(short).collect();
    if !std::io::stdin().is_terminal() {
        return Err(CliError::Usage(format!(
            "this deletes {}; say --yes to go ahead",
            names.join(", ")
        )));
    }
    out.note(&format!("Delete {}? [y/N]", names.join(", ")));
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(CliError::io("read your answer"))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(CliError::Failed("nothing was deleted".to_owned()))
    }
}

/// The order in which nothing is deleted while another of them still needs it.
pub(super) async fn dependents_first(
    client: &Client,
    mut left: Vec<ServiceKey>,
) -> Result<Vec<ServiceKey>, CliError> {
    let needs = client
        .call::<Graph>("get_graph", json!({}))
        .await?
        .value
        .needs;
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let needed = |key: &ServiceKey| {
            needs
                .iter()
                .any(|edge| edge.needs == *key && left.contains(&edge.service))
        };
        let free = left.iter().position(|key| !needed(key)).unwrap_or(0);
        order.push(left.remove(free));
    }
    Ok(order)
}
