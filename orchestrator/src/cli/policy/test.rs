//! `ostler policy test`: decision tables against a bundle.

use std::{fs, path::PathBuf};

use clap::Args;
use ostler_policies::{Case, Engine, Miss, read_table};
use serde_json::json;

use super::bundle::{BundleArgs, failed};
use crate::cli::{error::CliError, out::Out};

/// Arguments of `policy test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Tables, or directories of `*.yaml`
    #[arg(required = true, value_name = "FILE")]
    tables: Vec<PathBuf>,
    #[command(flatten)]
    bundle: BundleArgs,
}

/// Runs it.
pub fn run(args: &TestArgs, out: &mut Out) -> Result<(), CliError> {
    let engine = args.bundle.engine()?;
    let (mut cases, mut wrong) = (0_usize, Vec::new());
    for path in files(&args.tables)? {
        for case in table(&path)? {
            cases += 1;
            let missed = missed(&case, &engine, &path)?;
            wrong.extend(missed.map(|miss| (path.clone(), miss)));
        }
    }
    let list = wrong.iter();
    let raw: Vec<_> = list
        .map(|(path, miss)| json!({ "table": path, "miss": miss }))
        .collect();
    let raw = json!({ "cases": cases, "wrong": raw });
    let text = out.render(&raw, |_| {
        let mut lines: Vec<String> = wrong.iter().map(|(path, miss)| words(path, miss)).collect();
        lines.push(format!(
            "{} of {cases} cases are decided as they must be",
            cases - wrong.len()
        ));
        lines.join("\n")
    })?;
    out.line(&text)?;
    match wrong.len() {
        0 => Ok(()),
        some => Err(CliError::Failed(format!(
            "{some} of {cases} cases are decided otherwise"
        ))),
    }
}

fn missed(case: &Case, engine: &Engine, path: &std::path::Path) -> Result<Option<Miss>, CliError> {
    let missed = case.miss(engine);
    missed.map_err(|error| CliError::Failed(format!("`{}`: {error}", path.display())))
}

fn table(path: &PathBuf) -> Result<Vec<Case>, CliError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(CliError::io(format!("read `{}`", path.display())))?;
    read_table(&text).map_err(|error| {
        let CliError::Failed(words) = failed(&error) else {
            return failed(&error);
        };
        CliError::Failed(format!("`{}`: {words}", path.display()))
    })
}

/// Files as named, and what directories hold of tables, in order.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let doing = || format!("read `{}`", path.display());
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(CliError::io(doing()))? {
            inside.push(entry.map_err(CliError::io(doing()))?.path());
        }
        inside.retain(|path| {
            path.extension()
                .is_some_and(|end| end == "yaml" || end == "yml")
        });
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn words(path: &std::path::Path, miss: &Miss) -> String {
    let by = |ids: &std::collections::BTreeSet<String>| match ids.len() {
        0 => "nobody".to_owned(),
        _ => ids.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    let expected_by = miss.expected_by.as_ref();
    let expected_by = expected_by
        .map(|ids| format!(" by {}", by(ids)))
        .unwrap_or_default();
    format!(
        "WRONG  {}: {}\n       must be {}{expected_by}; is {} by {}",
        path.display(),
        miss.case,
        miss.expected,
        miss.decided,
        by(&miss.by)
    )
}
