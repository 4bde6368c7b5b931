//! Incidents replayed against the shipped agents.
//!
//! # A bundle
//! A folder under `incidents/` with one `incident.yaml`, see [`bundle::Bundle`]: a small world at
//! one moment (services with their generations, instances with their ends, signals, changes, log
//! lines) and the truth about it (healthy or faulty; cause, culprit, the one right action or none).
//! All times are written as how long ago they were. How services stand is not written: the shipped
//! core works it out of the world, as it does in production, and the shipped tools answer from it.
//!
//! [`run`] starts each bundle's agent as it ships, on the other end of a pipe that speaks real MCP,
//! lets some seconds of virtual time pass, and judges what it wrote down. Nothing is approved, so an
//! agent that changes anything fails its bundle.

mod build;
pub mod bundle;
pub mod capture;
pub mod evidence;
mod heal;
pub mod history;
pub mod hold;
pub mod judge;
pub mod lint;
mod paperwork;
mod past;
pub mod promote;
pub mod replay;
pub mod server;
pub mod world;

use std::path::{Path, PathBuf};

pub use build::NoSecrets;
pub use judge::{Abstention, Report, Verdict};
pub use ostler_agents::Models;

/// Why bundles could not be run.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A bundle is not of the accepted form.
    #[error("`{path}` is not a bundle: {problem}")]
    Bundle {
        /// Which.
        path: PathBuf,
        /// What is wrong, with line and field.
        problem: String,
    },
    /// The agent or its pipe failed.
    #[error("bundle `{bundle}` could not be replayed: {problem}")]
    Replay {
        /// Which.
        bundle: String,
        /// What failed.
        problem: String,
    },
}

/// Replays every bundle under a folder, in order of name, each against the agent it names.
///
/// # Errors
/// When a bundle cannot be read or replayed; a wrong answer of an agent is no error but in the report.
pub async fn run(folder: &Path) -> Result<Report, EvalError> {
    run_with(folder, None).await
}

/// As [`run`], with models that the agents ask before their rules.
///
/// # Errors
/// As [`run`].
pub async fn run_with(folder: &Path, models: Option<&Models>) -> Result<Report, EvalError> {
    let mut report = Report::default();
    for bundle in bundle::read_all(folder)? {
        let seen = replay::replay(&bundle, models.cloned()).await?;
        report.verdicts.push(judge::judge(&bundle, &seen));
    }
    Ok(report)
}
