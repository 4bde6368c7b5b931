//! `ostler apply`: shows what differs, then does it.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use clap::Args;
use comfy_table::Color;
use ostler_core::{
    facts::{ChangeFacts, DiffLine, ServiceDiff},
    time::Span,
};
use ostler_tools::answer::{Changed, Preview};
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    files,
    out::{Out, paint},
    progress,
    words::short,
};

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A manifest file, a directory of them, or `-` for standard input
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR|-")]
    file: PathBuf,
    /// Only show what would differ
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Return only when the services are as wanted
    #[arg(long)]
    wait: bool,
    /// With --wait: how long to wait
    #[arg(long, default_value = "5m", value_name = "SPAN")]
    timeout: Span,
}

/// Runs it.
pub async fn run(args: ApplyArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let yaml = files::manifests(&args.file)?;
    let arguments = json!({ "yaml": yaml });
    let tried = json!({ "tool": "apply_services", "arguments": arguments });
    let preview = client.call::<Preview>("preview_change", tried).await?;
    if let Some(problem) = preview.value.problem {
        return Err(CliError::Refused(problem));
    }
    let Some(facts) = preview.value.facts else {
        return Err(CliError::Talk(
            "it says nothing about the change".to_owned(),
        ));
    };
    if args.dry_run && out.machine() {
        let text = out.render(&preview.raw, |_| String::new())?;
        return out.line(&text);
    }
    let words = diff(&facts, out.colour);
    if args.dry_run {
        return out.line(&words);
    }
    if !facts.diff.is_empty() {
        if !out.machine() {
            out.note(&words);
        }
        confirm(&args, out, &facts)?;
        let done = client.call::<Changed>("apply_services", arguments).await?;
        let text = out.render(&done.raw, |_| {
            format!("{} (revision {})", done.value.summary, done.value.revision)
        })?;
        out.line(&text)?;
    } else {
        out.note("nothing differs");
    }
    if args.wait {
        let services: Vec<_> = facts.services.into_iter().collect();
        progress::until_healthy(
            client,
            out,
            &services,
            Duration::from_millis(args.timeout.0),
        )
        .await?;
    }
    Ok(())
}

/// Asks before something is replaced or goes; where nobody can be asked, `--yes` is needed for that.
fn confirm(args: &ApplyArgs, out: &Out, facts: &ChangeFacts) -> Result<(), CliError> {
    let harmless = !facts.replaces_instances && !facts.destructive;
    if args.yes || harmless {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || args.file.as_os_str() == "-" {
        return Err(CliError::Usage(
            "this replaces or ends running instances; say --yes to go ahead".to_owned(),
        ));
    }
    out.note("Running instances are replaced or ended. Go ahead? [y/N]");
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(CliError::io("read your answer"))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(CliError::Failed("nothing was changed".to_owned()))
    }
}

/// What would differ, for people.
pub fn diff(facts: &ChangeFacts, colour: bool) -> String {
    if facts.diff.is_empty() {
        return "nothing differs".to_owned();
    }
    let mut lines = Vec::new();
    for service in &facts.diff {
        let key = &service.service;
        let (sign, tint) = match (facts.creates.contains(key), facts.deletes.contains(key)) {
            (true, _) => ("+", Color::Green),
            (_, true) => ("-", Color::Red),
            _ => ("~", Color::Yellow),
        };
        lines.push(paint(&format!("{sign} {}", short(key)), tint, colour));
        if facts.creates.contains(key) {
            lines.extend(brief(service, colour));
        } else {
            lines.extend(service.lines.iter().map(|line| field(line, colour)));
        }
    }
    let resources = |line: &DiffLine| line.path.starts_with("spec.resources.");
    let resized = || {
        facts
            .diff
            .iter()
            .flat_map(|service| &service.lines)
            .any(resources)
    };
    let replaced = if facts.replaces_instances {
        "; running instances are replaced"
    } else if facts.creates.is_empty() && resized() {
        "; what runs is resized in place"
    } else {
        ""
    };
    lines.push(format!(
        "{}; blast radius {}{replaced}",
        facts.summary, facts.blast_radius
    ));
    lines.join("\n")
}

/// What tells one new service from another; the rest is in its manifest or by default.
fn brief(service: &ServiceDiff, colour: bool) -> Vec<String> {
    let telling = |line: &&DiffLine| {
        let path = line.path.as_str();
        matches!(
            path,
            "replicas" | "spec.image" | "spec.command" | "spec.args"
        ) || path.ends_with(".publish")
            || path.ends_with("].service")
            || path.starts_with("spec.resources.limits")
            || path.contains(".source.")
    };
    let mut lines: Vec<String> = service
        .lines
        .iter()
        .filter(telling)
        .map(|line| field(line, colour))
        .collect();
    let more = service.lines.len().saturating_sub(lines.len());
    lines.push(format!(
        "      {more} more fields as in the manifest or by default"
    ));
    lines
}

/// One field of a difference.
pub fn field(line: &DiffLine, colour: bool) -> String {
    match (&line.from, &line.to) {
        (None, Some(to)) => paint(&format!("    + {}: {to}", line.path), Color::Green, colour),
        (Some(from), None) => paint(&format!("    - {}: {from}", line.path), Color::Red, colour),
        (from, to) => {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            paint(
                &format!("    ~ {}: {} → {}", line.path, text(from), text(to)),
                Color::Yellow,
                colour,
            )
        }
    }
}
