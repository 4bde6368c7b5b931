//! `ostler freeze`: let nobody change anything for a while, or again.

use clap::{Args, Subcommand};
use ostler_core::{
    id::{FreezeName, Namespace},
    time::Span,
};
use ostler_tools::answer::Status;
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, show, table},
    service::change,
    words::{moment, untrusted},
};

/// What to do with freezes.
#[derive(Debug, Subcommand)]
pub enum FreezeCommand {
    /// Freezes that people called
    List,
    /// Begin one, or replace one of that name
    Call(CallArgs),
    /// End one
    Lift {
        /// Which
        name: FreezeName,
    },
}

/// Arguments of `freeze call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// What it is called
    name: FreezeName,
    /// Why, for everybody who meets it
    #[arg(long)]
    reason: String,
    /// How long it lasts, such as `48h`
    #[arg(long = "for", value_name = "SPAN")]
    lasts: Span,
    /// Only there; may be given several times [default: everywhere]
    #[arg(long, short)]
    namespace: Vec<Namespace>,
}

/// Runs it.
pub async fn run(command: FreezeCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let (tool, args) = match command {
        FreezeCommand::List => return list(client, out).await,
        FreezeCommand::Call(args) => (
            "freeze_changes",
            json!({ "name": args.name, "reason": args.reason, "for": args.lasts, "namespaces": args.namespace }),
        ),
        FreezeCommand::Lift { name } => ("lift_freeze", json!({ "name": name })),
    };
    change(client, out, tool, args).await.map(drop)
}

async fn list(client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let done = client.call::<Status>("get_status", json!({})).await?;
        let raw = json!({ "freezes": done.value.freezes });
        out.render(&raw, |out| {
            let row = |shown: &ostler_tools::answer::FreezeShown| {
                let freeze = &shown.freeze;
                let places: Vec<&str> = freeze.namespaces.iter().map(Namespace::as_str).collect();
                let places = if places.is_empty() {
                    "everywhere".to_owned()
                } else {
                    places.join(", ")
                };
                vec![
                    cell(&shown.name),
                    cell(moment(freeze.from)),
                    cell(moment(freeze.until)),
                    cell(places),
                    cell(untrusted(&freeze.reason)),
                ]
            };
            let rows = done.value.freezes.iter().map(row).collect();
            table(
                out,
                "nobody called a freeze; the configuration file may hold some",
                &["FREEZE", "FROM (UTC)", "UNTIL (UTC)", "WHERE", "WHY"],
                rows,
            )
        })
    })
    .await
}
