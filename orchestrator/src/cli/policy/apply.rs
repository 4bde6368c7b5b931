//! `ostler policy apply` and `show`: which policies are in force.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;
use ostler_policies::{Bundle, Engine};
use ostler_tools::answer::Policies;
use serde_json::json;

use super::bundle::{actions, failed};
use crate::cli::{client::Client, error::CliError, out::Out, service::change};

/// Arguments of `policy apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A directory of `*.cedar` files
    #[arg(required_unless_present = "shipped")]
    dir: Option<PathBuf>,
    /// Go back to the policies that ship with Ostler
    #[arg(long, conflicts_with = "dir")]
    shipped: bool,
}

/// Arguments of `policy show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Write the files into this directory, which must be empty or new
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Puts a directory's policies in force.
pub async fn run(args: &ApplyArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let mut files = BTreeMap::new();
    if let Some(dir) = &args.dir {
        let bundle = Bundle::from_dir(dir).map_err(|error| failed(&error))?;
        // A mistake is told here with its line, before a daemon is asked.
        Engine::load(&bundle, &actions()).map_err(|error| failed(&error))?;
        let all = bundle.files().iter();
        files.extend(all.map(|file| (file.name.clone(), file.text.clone())));
    }
    let call = json!({ "files": files });
    change(client, out, "put_policies", call).await.map(drop)
}

/// Shows what is in force.
pub async fn show(args: &ShowArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let done = client.call::<Policies>("get_policies", json!({})).await?;
    let policies = &done.value;
    let Some(dir) = &args.to else {
        let text = out.render(&done.raw, |_| {
            let file = |file: &ostler_tools::answer::PolicyFile| {
                format!("// {}\n{}", file.name, file.text)
            };
            let all: Vec<String> = policies.files.iter().map(file).collect();
            format!("// version {}\n\n{}", policies.version, all.join("\n"))
        })?;
        return out.line(text.trim_end());
    };
    let problem = |what: String| CliError::io(what);
    fs::create_dir_all(dir).map_err(problem(format!("make `{}`", dir.display())))?;
    let mut there = fs::read_dir(dir).map_err(problem(format!("read `{}`", dir.display())))?;
    if there.next().is_some() {
        return Err(CliError::Usage(format!("`{}` is not empty", dir.display())));
    }
    for file in &policies.files {
        // Names come from a daemon: only a plain one becomes a file.
        let Some(name) = std::path::Path::new(&file.name).file_name() else {
            continue;
        };
        let path = dir.join(name);
        fs::write(&path, &file.text).map_err(problem(format!("write `{}`", path.display())))?;
    }
    out.line(&format!(
        "{} files of version {} written to {}",
        policies.files.len(),
        policies.version,
        dir.display()
    ))
}
