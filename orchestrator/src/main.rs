//! The entry: which of its parts this process is.

use std::process::ExitCode;

use clap::Parser;
use ostler::{
    broker,
    cli::{Cli, Command, run_client},
    demo, launch,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Only the first call decides; a second would find it done already.
    let _first = rustls::crypto::ring::default_provider().install_default();
    start_log(&cli.command);
    let result = match &cli.command {
        Command::Up(args) => launch::up(args, &cli.global),
        Command::Agent { name } => agent(name),
        Command::Demo(args) => demo::run(demo::Options {
            yes: args.yes,
            keep: args.keep,
        }),
        _ => return client(cli),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Everything but the daemon and agents is one thread: a client that comes and goes.
fn client(cli: Cli) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let code = runtime.block_on(run_client(cli));
            // A read of standard input cannot be interrupted; nobody waits for it.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(error) => {
            tracing::error!(%error, "cannot start");
            ExitCode::FAILURE
        }
    }
}

fn agent(name: &str) -> anyhow::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let setup = ostler_agents::Setup {
        models: broker::models(),
        ..ostler_agents::Setup::default()
    };
    Ok(runtime.block_on(ostler_agents::run(
        name,
        tokio::io::stdin(),
        tokio::io::stdout(),
        setup,
    ))?)
}

/// Logs go to standard error: as JSON from agents, as text from the daemon, problems only else.
fn start_log(command: &Command) {
    let usual = match command {
        Command::Up(_) | Command::Agent { .. } => "info,rmcp=warn",
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
