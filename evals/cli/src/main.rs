//! `ostler eval`: runs evals and says what came of them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks by printing"
)]

mod args;
mod bundles;
mod certify;
mod compare;
mod figures;
mod folds;
mod html;
mod import;
mod junit;
mod minds;
mod report;
mod row;
mod run;
mod series;
mod stats;
mod summary;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "error".into()),
        )
        .init();
    let done = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Bundle(args) => bundles::make(&args),
        Command::Promote(args) => bundles::promote(&args),
        Command::Lint(args) => run::lint(&args),
        Command::Key(args) => certify::make_key(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
