//! `ostler policy`: what policies would decide, and what of a bundle is known without a daemon.

mod apply;
mod bundle;
mod diff;
mod explain;
mod lint;
mod prove;
mod test;

use clap::Subcommand;

use super::{client::Client, error::CliError, out::Out};

/// What to ask of policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// How a call would be decided, and why
    Explain(explain::ExplainArgs),
    /// Prove what must be true of every call, or print one of which it is not; needs the solver cvc5
    Prove(prove::ProveArgs),
    /// Run decision tables
    Test(test::TestArgs),
    /// Find what in a bundle says nothing
    Lint(lint::LintArgs),
    /// Past calls that another bundle would decide otherwise
    Diff(diff::DiffArgs),
    /// The policies in force
    Show(apply::ShowArgs),
    /// Put other policies in force
    Apply(apply::ApplyArgs),
}

impl PolicyCommand {
    /// Whether no daemon is needed.
    pub const fn is_offline(&self) -> bool {
        match self {
            Self::Explain(_) | Self::Show(_) | Self::Apply(_) => false,
            Self::Prove(_) | Self::Test(_) | Self::Lint(_) => true,
            Self::Diff(args) => args.log.is_some(),
        }
    }
}

/// Runs what needs no daemon.
pub async fn offline(command: PolicyCommand, out: &mut Out) -> Result<(), CliError> {
    match command {
        PolicyCommand::Prove(args) => prove::run(&args, out).await,
        PolicyCommand::Test(args) => test::run(&args, out),
        PolicyCommand::Lint(args) => lint::run(&args, out).await,
        PolicyCommand::Diff(args) => diff::of_file(&args, out),
        PolicyCommand::Explain(_) | PolicyCommand::Show(_) | PolicyCommand::Apply(_) => {
            Err(CliError::Usage("this command asks a daemon".to_owned()))
        }
    }
}

/// Runs what asks a daemon.
pub async fn run(command: PolicyCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    match command {
        PolicyCommand::Explain(args) => explain::run(args, client, out).await,
        PolicyCommand::Diff(args) => diff::of_daemon(&args, client, out).await,
        PolicyCommand::Show(args) => apply::show(&args, client, out).await,
        PolicyCommand::Apply(args) => apply::run(&args, client, out).await,
        command => offline(command, out).await,
    }
}
