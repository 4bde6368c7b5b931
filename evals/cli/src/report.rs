//! What came of a run: a row for each case and run, and what they come to.

use std::{fs, path::Path};

use anyhow::Context;
pub use ostler_tools::evals::FORMAT;
use ostler_tools::evals::{self, Cases};
use serde::{Deserialize, Serialize};

use crate::{
    args::Split,
    figures,
    minds::Answers,
    row::Row,
    summary::{self, Summary},
};

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The format's version.
    pub format: u32,
    /// The agent.
    pub agent: String,
    /// Version of the build that it is part of.
    pub build: String,
    /// The agent exactly as it was asked: SHA-256 of its code, prompt, planner and settings, in hex.
    #[serde(default)]
    pub make: String,
    /// What it plans with, in the order in which they are asked.
    #[serde(default)]
    pub planner: Vec<String>,
    /// Where answers of models came from; absent with rules alone.
    #[serde(default)]
    pub answers: Option<Answers>,
    /// What fixed the chance.
    pub seed: u64,
    /// Runs of each case.
    pub repeats: u32,
    /// In order of suite, case and run.
    pub rows: Vec<Row>,
}

/// A report as it is written: what it comes to stands beside it, for whoever reads it elsewhere.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    report: &'a Report,
    summary: Summary,
    /// The same in words, as the terminal has them.
    figures: Vec<(String, String)>,
}

impl Report {
    /// Reads one.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let text = fs::read(path).with_context(|| format!("cannot read `{name}`"))?;
        let report: Self = serde_json::from_slice(&text)
            .with_context(|| format!("`{name}` is not a report of `ostler eval run --json`"))?;
        anyhow::ensure!(
            report.format == FORMAT,
            "`{name}` has format {}, this program knows {FORMAT}",
            report.format
        );
        Ok(report)
    }

    /// Writes it, all or nothing.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let draft = path.with_extension("draft");
        let written = Written {
            report: self,
            summary: self.summary(),
            figures: figures::of(self),
        };
        fs::write(&draft, serde_json::to_vec_pretty(&written)?)
            .and_then(|()| fs::rename(&draft, path))
            .with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// Whether each case passed in all of its runs.
    pub fn cases(&self) -> Cases<'_> {
        let rows = self.rows.iter();
        evals::passed(rows.map(|row| ((&*row.suite, &*row.case), row.passed())))
    }

    /// What it comes to.
    pub fn summary(&self) -> Summary {
        summary::of(self)
    }
}

/// Which half a case is in: by its mechanism's name alone, so that it never moves and variants stay
/// together.
pub fn half(case: &str) -> Split {
    if (hash(mechanism(case)) >> 32).is_multiple_of(2) {
        Split::Dev
    } else {
        Split::HeldOut
    }
}

/// The mechanism of which a case is a variant.
pub fn mechanism(case: &str) -> &str {
    case.split('/').next().unwrap_or(case)
}

/// FNV-1a.
pub fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
