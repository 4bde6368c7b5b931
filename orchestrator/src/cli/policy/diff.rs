//! `ostler policy diff`: which past calls of the audit log another bundle would decide otherwise.

use std::{fs, path::PathBuf};

use clap::Args;
use comfy_table::Cell;
use ostler_gate::audit::{export_lines, verify};
use ostler_policies::{Asked, Engine, Otherwise};
use ostler_tools::answer::AuditEntry;
use serde_json::{Value, json};

use super::bundle::{BundleArgs, failed};
use crate::cli::{
    audit::pages,
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, table},
    words::{moment, untrusted},
};

/// Arguments of `policy diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// An exported log [default: the daemon's]
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// The public key to believe of the exported log
    #[arg(long, value_name = "KEY", requires = "log")]
    key: Option<String>,
    #[command(flatten)]
    bundle: BundleArgs,
}

/// What came of it.
#[derive(Default)]
struct Compared {
    otherwise: Vec<(AuditEntry, Otherwise)>,
    same: u64,
    /// Calls that policy judged of which the log does not keep enough.
    unknown: u64,
}

/// Of an exported file, without a daemon.
pub fn of_file(args: &DiffArgs, out: &mut Out) -> Result<(), CliError> {
    let Some(file) = &args.log else {
        return Ok(());
    };
    let text = fs::read_to_string(file);
    let text = text.map_err(CliError::io(format!("read `{}`", file.display())))?;
    show(args, &text, out)
}

/// Of the daemon's log.
pub async fn of_daemon(args: &DiffArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let pages = pages(client).await?;
    let text: String = pages.iter().map(export_lines).collect();
    show(args, &text, out)
}

fn show(args: &DiffArgs, text: &str, out: &mut Out) -> Result<(), CliError> {
    let engine = args.bundle.engine()?;
    verify(text, args.key.as_deref())
        .map_err(|tampered| CliError::Failed(format!("the log does not verify: {tampered}")))?;
    let compared = compare(text, &engine)?;
    let otherwise = compared.otherwise.iter();
    let otherwise: Vec<_> = otherwise
        .map(|(entry, one)| json!({ "entry": entry, "decided": one }))
        .collect();
    let raw = json!({ "otherwise": otherwise, "same": compared.same, "unknown": compared.unknown });
    let text = out.render(&raw, |out| words(&compared, out))?;
    out.line(&text)
}

fn compare(text: &str, engine: &Engine) -> Result<Compared, CliError> {
    let mut compared = Compared::default();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).map_err(|error| failed(&error))?;
        let Some(leaf) = line.get("leaf").and_then(Value::as_str) else {
            continue;
        };
        let entry: AuditEntry = serde_json::from_str(leaf).map_err(|error| failed(&error))?;
        let Some(was) = entry.decision.clone() else {
            continue;
        };
        match again(&entry) {
            None => compared.unknown += 1,
            Some(request) => match engine.otherwise(&request, &was) {
                Some(otherwise) => compared.otherwise.push((entry, otherwise)),
                None => compared.same += 1,
            },
        }
    }
    Ok(compared)
}

/// What policy was asked then.
fn again(entry: &AuditEntry) -> Option<ostler_policies::Request> {
    let asked: Asked = serde_json::from_value(entry.judged.clone()?).ok()?;
    asked.again(&entry.tool, &entry.services, entry.at)
}

fn words(compared: &Compared, out: &Out) -> String {
    let row = |(entry, one): &(AuditEntry, Otherwise)| -> Vec<Cell> {
        let would_be = match &one.needs {
            Some(needs) => format!("yes of {needs}"),
            None => one.would_be.clone(),
        };
        vec![
            cell(entry.index),
            cell(moment(entry.at)),
            cell(&entry.principal),
            cell(untrusted(&entry.tool)),
            cell(&one.was),
            cell(would_be),
            cell(&one.words),
        ]
    };
    let headers = [
        "INDEX",
        "WHEN (UTC)",
        "WHO",
        "TOOL",
        "WAS",
        "WOULD BE",
        "WHY",
    ];
    let rows = compared.otherwise.iter().map(row).collect();
    let mut text = table(
        out,
        "no past call would be decided otherwise",
        &headers,
        rows,
    );
    text.push_str(&format!(
        "\n\n{} calls would be decided otherwise, {} as they were",
        compared.otherwise.len(),
        compared.same
    ));
    if compared.unknown > 0 {
        text.push_str(&format!(
            "; of {} the log does not keep enough to tell (an older version wrote them)",
            compared.unknown
        ));
    }
    text
}
