//! `ostler incident`: what is done with one incident. Bundles are `ostler-eval`'s to write: it alone
//! knows their form, and replays them.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::{Args, Subcommand};
use ostler_tools::answer::{Capture, IncidentExport};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::pairs,
    words::{moment, short, untrusted},
};
use crate::launch::eval_program;

/// What to do with an incident.
#[derive(Debug, Subcommand)]
pub enum IncidentCommand {
    /// What the world looked like when it was opened, without secrets; as an eval with --bundle
    Export(ExportArgs),
}

/// Arguments of `incident export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The incident, `inc_…`
    incident: String,
    /// Make this folder and write an eval into it, for `ostler eval run --bundle DIR`
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
}

/// Runs it.
pub async fn run(command: IncidentCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let IncidentCommand::Export(args) = command;
    let asked = json!({ "incident": args.incident });
    let done = client
        .call::<IncidentExport>("export_incident", asked)
        .await?;
    if let Some(folder) = &args.bundle {
        return write_bundle(&done.raw, folder);
    }
    let text = out.render(&done.raw, |_| text(&done.value))?;
    out.line(&text)
}

/// Hands the export to `ostler-eval`, which says what it wrote.
fn write_bundle(export: &Value, folder: &Path) -> Result<(), CliError> {
    let program = eval_program().map_err(CliError::io("find `ostler-eval`"))?;
    let started = Command::new(&program)
        .arg("bundle")
        .arg(folder)
        .stdin(Stdio::piped())
        .spawn();
    let mut child = started.map_err(CliError::io(format!(
        "start `{}`; build it with `cargo build -p ostler-eval`, or install it beside `ostler`",
        program.display()
    )))?;
    if let Some(mut input) = child.stdin.take() {
        // When it does not read to the end, it says why itself.
        let _unread = input.write_all(export.to_string().as_bytes());
    }
    let ended = child
        .wait()
        .map_err(CliError::io("wait for `ostler-eval`"))?;
    match ended.success() {
        true => Ok(()),
        false => Err(CliError::Failed("no bundle was written".to_owned())),
    }
}

fn text(export: &IncidentExport) -> String {
    let capture = &export.capture;
    let mut text = pairs(&[
        ("Incident", export.incident.id.to_string()),
        ("Title", untrusted(&export.incident.title)),
        ("Captured", moment(capture.at)),
        ("Services", services(capture)),
        ("Changes", capture.changes.len().to_string()),
        ("Left out", left_out(capture)),
    ]);
    text.push_str("\n--bundle DIR makes an eval of it; -o json shows all.\n");
    text
}

fn services(capture: &Capture) -> String {
    let all = capture.services.iter();
    let names: Vec<String> = all.map(|one| short(&one.service)).collect();
    names.join(", ")
}

fn left_out(capture: &Capture) -> String {
    match capture.left_out.is_empty() {
        true => "nothing".to_owned(),
        false => untrusted(&capture.left_out.join("; ")),
    }
}
