//! The bundle that a command is about.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use clap::Args;
use ostler_policies::{Action, Bundle, Engine};
use ostler_prove::{Laws, ProveError, Solver, Subject};

use crate::cli::error::CliError;

/// Which bundle.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// A directory of `*.cedar` files [default: the policies that ship with Ostler]
    #[arg(long, value_name = "DIR")]
    pub bundle: Option<PathBuf>,
}

impl BundleArgs {
    /// Loads it.
    pub fn engine(&self) -> Result<Engine, CliError> {
        let bundle = read(self.bundle.as_deref(), Bundle::embedded)?;
        Engine::load(&bundle, &actions()).map_err(|error| failed(&error))
    }
}

/// The tools as policies name them.
pub fn actions() -> Vec<Action> {
    ostler_gate::actions(ostler_tools::catalogue::ALL)
}

/// A directory of texts, or what ships.
pub fn read(dir: Option<&Path>, shipped: impl FnOnce() -> Bundle) -> Result<Bundle, CliError> {
    let read = dir.map_or_else(|| Ok(shipped()), Bundle::from_dir);
    read.map_err(|error| failed(&error))
}

/// Invariants for a bundle: those of a directory, or those that ship.
pub fn laws(dir: Option<&Path>, engine: &Engine) -> Result<(Subject, Laws), CliError> {
    let texts = read(dir, Laws::embedded)?;
    let laws = Laws::read(&texts, &actions(), engine).map_err(|error| failed(&error))?;
    let subject = Subject::of(engine).map_err(|error| failed(&error))?;
    Ok((subject, laws))
}

/// A running solver; nothing where it is not installed.
pub fn solver() -> Result<Solver, ProveError> {
    Solver::start()
}

/// An error with all its causes, as one that a command ends with.
pub fn failed(error: &dyn Error) -> CliError {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(&format!("\n  because: {cause}"));
        source = cause.source();
    }
    CliError::Failed(words)
}
