//! Answers about kept reports of eval runs.

use ostler_core::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evals::{EvalRow, Flips, Moved};

/// Kept reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evals {
    /// Whether the configuration names a folder of reports: `evals: { reports: DIR }`.
    pub kept: bool,
    /// The newest first.
    pub runs: Vec<EvalRun>,
    /// What in the folder could not be read, in words.
    pub problem: Option<String>,
}

/// One kept report at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvalRun {
    /// The report's name: its file's, without `.json`.
    pub name: String,
    /// When its file was written.
    pub written_at: Time,
    /// The agent.
    pub agent: String,
    /// The agent exactly as it was asked: SHA-256 in hex; empty where the report does not say.
    pub make: String,
    /// Whether that is what runs under this daemon now.
    pub runs_now: bool,
    /// What it plans with, in the order in which they are asked.
    pub planner: Vec<String>,
    /// What fixed the chance.
    pub seed: u64,
    /// Runs of each case.
    pub repeats: u32,
    /// Suites that it has cases of.
    pub suites: Vec<String>,
    /// Cases.
    pub cases: u32,
    /// Of these, passed in all of their runs.
    pub passed: u32,
}

/// One kept report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvalDetail {
    /// The run.
    pub run: EvalRun,
    /// What it came to, in words as the run wrote them.
    pub figures: Vec<Figure>,
    /// How it differs from the run that it was asked to be compared with.
    pub against: Option<EvalComparison>,
    /// Rows that were asked for, in the report's order.
    pub rows: Vec<EvalRow>,
    /// Rows that were asked for and are not here: more than the limit.
    pub left_out: u32,
}

/// A figure in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How a run differs from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvalComparison {
    /// The other.
    pub run: EvalRun,
    /// Cases that ended otherwise.
    pub flips: Flips,
    /// Figures that are not what they were.
    pub moved: Vec<Moved>,
}
