//! What can be asked for.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use ostler_core::time::Span;
use ostler_evals::promote::Said;

/// Replays incidents against the agents as they ship, and says whether they may be trusted.
#[derive(Debug, Parser)]
#[command(name = "ostler eval", version, max_term_width = 100)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run cases against an agent; exits with 1 when something got worse or, without a baseline, failed
    Run(RunArgs),
    /// Say which cases flipped between two reports; exits with 1 when the second is worse
    Compare(CompareArgs),
    /// Hold incidents that others recorded, or your own, against the root-cause engine
    Import(ImportArgs),
    /// Make a bundle of an exported incident (`ostler incident export --bundle` does this)
    Bundle(BundleArgs),
    /// Add a bundle to a suite, with the truth as you say it
    Promote(PromoteArgs),
    /// Check that bundles and fault files can be read
    Lint(Cases),
    /// Make the key with which you sign certificates; prints its public half
    Key(KeyArgs),
}

/// Which cases.
#[derive(Debug, Clone, clap::Args)]
pub struct Cases {
    /// Folder of the evals, with `incidents` and `faults` in it
    #[arg(long, default_value = "evals", value_name = "DIR")]
    pub folder: PathBuf,
    /// Instead of suites: one bundle's folder, such as `ostler incident export` writes, or one with
    /// several in it
    #[arg(long, value_name = "DIR", conflicts_with = "folder")]
    pub bundle: Option<PathBuf>,
    /// Which suite
    #[arg(long, value_enum, default_value_t = Suite::All)]
    pub suite: Suite,
    /// Only cases whose name holds this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Only one half: `dev` to work on, `held-out` to measure by; a case's name decides which it is in
    #[arg(long, value_enum)]
    pub split: Option<Split>,
}

/// A suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Recorded moments: is the cause found?
    Incidents,
    /// A fleet that answers to what is done: is it mended, and nothing harmed?
    Faults,
    /// Both
    All,
}

/// A half of all cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Split {
    /// To work on.
    Dev,
    /// To measure by.
    HeldOut,
}

/// Arguments of `run`.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub cases: Cases,
    /// The agent that is asked; bundles that name another are left out
    #[arg(long, default_value = "healer", value_name = "NAME")]
    pub agent: String,
    /// The daemon's configuration file: the agent plans with the models that it names there
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The agent as it would be with its shadow's models and prompt in place of its own
    #[arg(long, requires = "config")]
    pub shadow: bool,
    /// Keep what models answer in this folder
    #[arg(
        long,
        value_name = "DIR",
        requires = "config",
        conflicts_with = "replay"
    )]
    pub record: Option<PathBuf>,
    /// Answer for models from this folder; nobody is asked, and no key is needed
    #[arg(long, value_name = "DIR", requires = "config")]
    pub replay: Option<PathBuf>,
    /// Cases at a time [default: one for each CPU]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Fixes everything that is left to chance
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,
    /// Runs of each case, each with a seed of its own; a case counts as passed when all of its runs do
    #[arg(long, alias = "repeat", default_value_t = 1, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: u32,
    /// Write the report as JSON; an existing one of exactly the same agent and seed is gone on with
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write it as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write it as one HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Sign what came of it as a certificate with which `ostler agents promote` lets the agent act alone
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["only", "bundle"])]
    pub certify: Option<PathBuf>,
    /// The key to sign with, of `ostler eval key`
    #[arg(long, value_name = "FILE", requires = "certify")]
    pub key: Option<PathBuf>,
    /// How long the certificate says anything
    #[arg(long, value_name = "SPAN", default_value = "90d")]
    pub valid_for: Span,
    /// A report to be held against: exits with 1 when a case that passed there fails
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
}

/// Arguments of `key`.
#[derive(Debug, Clone, clap::Args)]
pub struct KeyArgs {
    /// Where to keep it; only you can read it then
    pub file: PathBuf,
    /// Your name as an evaluator
    #[arg(long, value_name = "NAME")]
    pub name: String,
}

/// Arguments of `compare`.
#[derive(Debug, Clone, clap::Args)]
pub struct CompareArgs {
    /// The report of before
    pub before: PathBuf,
    /// The report of after
    pub after: PathBuf,
}

/// Arguments of `import`.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Whose format
    #[arg(value_enum)]
    pub format: Format,
    /// Where the set was unpacked
    pub folder: PathBuf,
    /// Show the cases that were not found, and healthy ones that were suspected
    #[arg(long)]
    pub misses: bool,
}

/// Arguments of `bundle`.
#[derive(Debug, Clone, clap::Args)]
pub struct BundleArgs {
    /// The folder to make
    pub folder: PathBuf,
    /// What `export_incident` answered, as JSON [default: standard input]
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

/// Arguments of `promote`.
#[derive(Debug, Clone, clap::Args)]
pub struct PromoteArgs {
    /// The bundle's folder
    pub bundle: PathBuf,
    /// The suite's folder
    #[arg(long, default_value = "evals/incidents", value_name = "DIR")]
    pub into: PathBuf,
    /// The new case's name
    #[arg(long)]
    pub name: String,
    /// What was right: `as-believed`, `healthy`, `unexplained` or
    /// `cause=KIND,culprit=NAMESPACE/NAME[,tool=TOOL]`; without a tool, only a person can help
    #[arg(long, value_name = "VERDICT")]
    pub verdict: Said,
    /// Whose word that is [default: yours, by the variable USER]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Under which licence the case may be passed on
    #[arg(long, value_name = "TEXT")]
    pub licence: Option<String>,
}

/// A format of recorded incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Kubernetes incidents of Cloud-OpsBench
    Cloudopsbench,
    /// Issues of PetShop
    Petshop,
    /// Sock-shop recordings of RCD
    Rcd,
    /// Series of the Numenta Anomaly Benchmark
    Nab,
    /// Scenario specifications of ITBench; listed only, as they hold no telemetry
    Itbench,
    /// Your own: metrics.csv, graph.csv, truth.yaml; see docs/evals.md
    Generic,
}
