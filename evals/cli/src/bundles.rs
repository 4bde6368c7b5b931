//! Bundles of live incidents: made of an export, promoted into a suite with a person's word.

use std::{fs, io::Read as _, path::Path, process::ExitCode};

use anyhow::{Context, bail, ensure};
use ostler_evals::{
    bundle::{self, Bundle},
    capture, lint, promote,
};

use crate::args::{BundleArgs, PromoteArgs};

/// Most bytes of an export: a capture has half a megabyte, the incident some more.
const EXPORT_LIMIT: u64 = 8 << 20;

/// Makes a bundle of an exported incident.
pub fn make(args: &BundleArgs) -> anyhow::Result<ExitCode> {
    let text = export(args.from.as_deref())?;
    let export = serde_json::from_str(&text).context("this is not an exported incident")?;
    let made = capture::bundle(&export).map_err(anyhow::Error::msg)?;
    checked(&made)?;
    bundle::write(&args.folder, &made)?;
    println!(
        "wrote {}; replay it with: ostler eval run --bundle {}",
        args.folder.join("incident.yaml").display(),
        args.folder.display()
    );
    for left_out in &made.left_out {
        eprintln!("not in it: {left_out}");
    }
    Ok(ExitCode::SUCCESS)
}

fn export(from: Option<&Path>) -> anyhow::Result<String> {
    if let Some(path) = from {
        let read = fs::read_to_string(path);
        return read.with_context(|| format!("cannot read `{}`", path.display()));
    }
    let mut text = String::new();
    let mut input = std::io::stdin().take(EXPORT_LIMIT);
    input
        .read_to_string(&mut text)
        .context("cannot read standard input")?;
    Ok(text)
}

/// Adds a bundle to a suite, with the truth as a person says it.
pub fn promote(args: &PromoteArgs) -> anyhow::Result<ExitCode> {
    ensure!(
        !args.name.is_empty() && args.name.bytes().all(is_plain),
        "`{}` is no name for a case: use lower-case letters, digits and hyphens",
        args.name
    );
    let by = who(args.by.as_deref())?;
    let mut made = promote::promoted(bundle::read(&args.bundle)?, args.verdict.clone(), by);
    made.licence = args.licence.clone().or(made.licence);
    checked(&made)?;
    let into = args.into.join(&args.name);
    ensure!(
        !into.exists(),
        "`{}` exists; nothing is written over",
        into.display()
    );
    bundle::write(&into, &made)?;
    println!("wrote {}", into.join("incident.yaml").display());
    Ok(ExitCode::SUCCESS)
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Whose word it is: a person's.
fn who(by: Option<&str>) -> anyhow::Result<String> {
    let user = std::env::var("USER").ok();
    let name = by.map(str::to_owned).or(user);
    let name = name.filter(|name| !name.is_empty());
    let name = name.context("whose word is it? Say so with --by NAME")?;
    match name.split_once(':') {
        None => Ok(format!("user:{name}")),
        Some(("user", _)) => Ok(name),
        Some(_) => bail!("`{name}` is no person: a truth is a person's word"),
    }
}

fn checked(bundle: &Bundle) -> anyhow::Result<()> {
    let wrong = lint::lint(bundle);
    ensure!(
        wrong.is_empty(),
        "the bundle makes no sense: {}",
        wrong.join("; ")
    );
    Ok(())
}
