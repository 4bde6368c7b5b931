//! `ostler audit`: list, verify, export, prove.

mod otlp;
mod proof;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use comfy_table::{Cell, Color};
use ostler_gate::audit::{export_lines, verify_since};
use ostler_tools::answer::{
    AuditEntries, AuditEntry, AuditExport, AuditKeyRotated, AuditVerification,
};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, coloured, pairs, show, table},
    words::{moment, untrusted},
};

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Its newest entries
    List(ListArgs),
    /// Check the whole log
    Verify(VerifyArgs),
    /// Write the log for verification elsewhere
    Export(ExportArgs),
    /// Prove that one entry is in the log, without showing the others
    Proof(ProofArgs),
    /// Print the signed head, to be kept elsewhere: a witness
    Checkpoint,
    /// Have another key sign the log from here on; the old one says so and ends
    RotateKey,
}

/// Arguments of `audit list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only by this principal: `user:NAME`, `agent:NAME`, `system`
    #[arg(long)]
    by: Option<String>,
    /// Only calls of this tool
    #[arg(long)]
    tool: Option<String>,
    /// Only entries after this index
    #[arg(long)]
    after: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Check an exported file, without a daemon
    #[arg(long, value_name = "FILE")]
    pub offline: Option<PathBuf>,
    /// The public key to believe, kept from elsewhere; without it, the one in the file
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Heads that were seen of the log before, one a line: `audit-witness.jsonl` of the state directory, or
    /// lines of `ostler audit checkpoint`
    #[arg(long, value_name = "FILE", requires = "offline")]
    witness: Option<PathBuf>,
    /// Check the proof of one entry, without a daemon
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    proof: Option<PathBuf>,
}

impl VerifyArgs {
    /// Whether no daemon is asked.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline.is_some() || self.proof.is_some()
    }
}

/// Arguments of `audit export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// As what: lines that `ostler audit verify --offline` reads, or OpenTelemetry logs as JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Forms of an export.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    /// Lines of JSON with hashes and the signed head
    #[default]
    Jsonl,
    /// OpenTelemetry logs (OTLP/JSON), one request
    Otlp,
}

/// Arguments of `audit proof`.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// The entry's index, as `audit list` shows it
    index: u64,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs it.
pub async fn run(command: AuditCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    match command {
        AuditCommand::List(args) => list(args, client, out).await,
        AuditCommand::Verify(args) if args.is_offline() => verify_offline(&args, out),
        AuditCommand::Verify(_) => verify_online(client, out).await,
        AuditCommand::Export(args) => export(args, client, out).await,
        AuditCommand::Proof(args) => {
            proof::make(args.index, args.file.as_deref(), client, out).await
        }
        AuditCommand::Checkpoint => proof::checkpoint(client, out).await,
        AuditCommand::RotateKey => rotate_key(client, out).await,
    }
}

async fn list(args: ListArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let call = json!({ "principal": args.by, "tool": args.tool, "after": args.after, "limit": args.limit });
        let done = client.call::<AuditEntries>("list_audit", call).await?;
        out.render(&done.raw, |out| {
            let mut headers = vec!["INDEX", "WHEN (UTC)", "WHO", "TOOL", "OUTCOME", "WORDS"];
            if out.wide() {
                headers.extend(["CALL", "POLICIES", "ARGUMENTS"]);
            }
            table(out, "no entries", &headers, done.value.entries.iter().map(|entry| row(out, entry)).collect())
        })
    })
    .await
}

fn row(out: &Out, entry: &AuditEntry) -> Vec<Cell> {
    let tint = match entry.outcome.as_str() {
        "done" => Color::Green,
        "denied" | "failed" => Color::Red,
        _ => Color::Yellow,
    };
    let mut row = vec![
        cell(entry.index),
        cell(moment(entry.at)),
        cell(&entry.principal),
        cell(untrusted(&entry.tool)),
        coloured(&entry.outcome, tint),
        cell(untrusted(&entry.words)),
    ];
    if out.wide() {
        let call = entry
            .call
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        row.extend([
            cell(call),
            cell(entry.policies.join(", ")),
            cell(untrusted(&entry.arguments.to_string())),
        ]);
    }
    row
}

async fn verify_online(client: &Client, out: &mut Out) -> Result<(), CliError> {
    let done = client
        .call::<AuditVerification>("verify_audit", json!({}))
        .await?;
    let text = out.render(&done.raw, |_| {
        let found = &done.value;
        let verdict = if found.ok {
            "the log is as it was written"
        } else {
            "THE LOG WAS TAMPERED WITH"
        };
        let mut lines = vec![
            ("Verdict", verdict.to_owned()),
            ("Entries", found.leaves.to_string()),
            ("Kept", kept(found.leaves, found.kept_from, found.dropped)),
            ("Root", found.root.clone()),
            ("Public key", found.public_key.clone()),
        ];
        if found.keys > 1 {
            lines.push(("Keys so far", found.keys.to_string()));
        }
        if let Some(leaf) = found.bad_leaf {
            lines.push(("Wrong entry", leaf.to_string()));
        }
        pairs(&lines)
    })?;
    out.line(&text)?;
    match (done.value.ok, done.value.problem) {
        (true, _) => Ok(()),
        (false, problem) => Err(CliError::Failed(
            problem.unwrap_or_else(|| "the log does not verify".to_owned()),
        )),
    }
}

async fn rotate_key(client: &Client, out: &mut Out) -> Result<(), CliError> {
    let done = (client.call::<AuditKeyRotated>("rotate_audit_key", json!({}))).await?;
    let text = out.render(&done.raw, |_| {
        let lines = [
            ("Public key", done.value.public_key.clone()),
            ("Until now", done.value.previous.clone()),
        ];
        pairs(&lines)
    })?;
    out.line(&text)?;
    out.note("keep the new public key elsewhere; the one before still verifies the log");
    Ok(())
}

/// What of the log is kept, in words.
fn kept(leaves: u64, from: u64, dropped: u64) -> String {
    let begins = match from {
        0 => "everything".to_owned(),
        from if from < leaves => format!("from entry {from}"),
        _ => "nothing".to_owned(),
    };
    match dropped {
        0 => begins,
        one => format!("{begins}, but for {one} reads that retention dropped, on record"),
    }
}

/// Checks an exported file without a daemon.
pub fn verify_offline(args: &VerifyArgs, out: &mut Out) -> Result<(), CliError> {
    let key = args.key.as_deref();
    if let Some(file) = &args.proof {
        return proof::check(file, key, out);
    }
    let Some(file) = &args.offline else {
        return Ok(());
    };
    let witness = args.witness.as_deref().map(read).transpose()?;
    let report = verify_since(&read(file)?, key, witness.as_deref().unwrap_or_default())
        .map_err(|tampered| CliError::Failed(format!("the log does not verify: {tampered}")))?;
    let raw = json!({ "ok": true, "leaves": report.leaves, "kept_from": report.kept_from, "dropped": report.dropped,
        "root": report.root, "key_given": key.is_some(), "agreed": report.agreed, "keys": report.keys, "public_key": report.public_key });
    let text = out.render(&raw, |_| {
        let trust = match key {
            None => "; give --key to find out about a log that was written and signed anew".to_owned(),
            Some(key) if key != report.public_key => format!(
                "; by the word of a key that was handed over. Keep {} in its place: only the newest key or a witness \
                 tells a log that a thief of an older one went on with from this one",
                report.public_key
            ),
            Some(_) => String::new(),
        };
        let keys = match report.keys {
            0 | 1 => String::new(),
            keys => format!(", signed by {keys} keys one after the other"),
        };
        let seen = match (&witness, report.agreed) {
            (None, _) => String::new(),
            (Some(_), heads) => format!("; continues {heads} heads of the witness"),
        };
        format!(
            "the log is as it was written: {} entries ({} kept){keys}, root {}{seen}{trust}",
            report.leaves,
            kept(report.leaves, report.kept_from, report.dropped),
            report.root
        )
    })?;
    out.line(&text)
}

fn read(file: &Path) -> Result<String, CliError> {
    fs::read_to_string(file).map_err(CliError::io(format!("read `{}`", file.display())))
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    let doing = || format!("write `{}`", file.display());
    let mut opened = fs::File::create(file).map_err(CliError::io(doing()))?;
    opened
        .write_all(text.as_bytes())
        .and_then(|()| opened.sync_all())
        .map_err(CliError::io(doing()))
}

async fn export(args: ExportArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let pages = pages(client).await?;
    let text: String = match args.format {
        Format::Jsonl => pages.iter().map(export_lines).collect(),
        Format::Otlp => otlp::request(&pages).to_string() + "\n",
    };
    let Some(file) = &args.file else {
        return out.raw(text.as_bytes());
    };
    write(file, &text)?;
    let last = pages.last();
    let total = last.map_or(0, |page| page.total);
    let key = last.map(|page| page.public_key.clone()).unwrap_or_default();
    let raw = json!({ "file": file, "leaves": total, "public_key": key });
    let text = out.render(&raw, |_| {
        format!(
            "{total} entries written to {}; public key {key}",
            file.display()
        )
    })?;
    out.line(&text)
}

/// Every page of the log as it was when the first one was asked for.
pub(super) async fn pages(client: &Client) -> Result<Vec<AuditExport>, CliError> {
    let mut pages: Vec<AuditExport> = Vec::new();
    let mut from = 0_u64;
    loop {
        let page = client
            .call::<AuditExport>("export_audit", json!({ "from": from, "limit": 1000 }))
            .await?
            .value;
        if !pages.is_empty() && page.from != from {
            return Err(CliError::Failed(
                "retention dropped entries meanwhile; export again".to_owned(),
            ));
        }
        let next = page.next;
        pages.push(page);
        match next {
            Some(next) if next > from => from = next,
            Some(_) => {
                return Err(CliError::Talk(
                    Value::from("the export does not move on").to_string(),
                ));
            }
            None => return Ok(pages),
        }
    }
}
