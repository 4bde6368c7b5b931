//! The entry: which of its parts this process is.

use std::process::ExitCode;

use clap::Parser;
use ostler::{
    cli::{Cli, Command},
    demo, launch,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Only the first call decides; a second would find it done already.
    let _first = rustls::crypto::ring::default_provider().install_default();
    start_log(&cli.command);
    let result = match &cli.command {
        Command::Up(args) => launch::up(args, &cli.global),
        Command::CheckUpgrade(args) => launch::check_upgrade(args, &cli.global),
        Command::Agent { name, line } => launch::agent(name, line.as_deref()),
        Command::Proxy { address, build } => launch::proxy(*address, build),
        Command::Demo(args) => demo::run(demo::Options {
            yes: args.yes,
            keep: args.keep,
        }),
        Command::Eval { args } => launch::eval(args),
        _ => return ExitCode::from(launch::client(cli)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Logs go to standard error: as JSON from agents, as text from the daemon, problems only else.
fn start_log(command: &Command) {
    let usual = match command {
        Command::Up(_) | Command::Agent { .. } => "info,rmcp=warn",
        // What clients do wrong is no trouble of ours.
        Command::Proxy { .. } => "info,hyper=error",
        _ => "warn",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match command {
        Command::Agent { .. } => log.json().init(),
        _ => log.with_ansi(false).init(),
    }
}
