//! Plays every scenario with every autoscaler and writes the page and its pictures.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Parser;
use ostler_scaling::{
    contest::{self, Contest},
    generate, plot, recorded, report,
    scenario::Scenario,
    tune::Grid,
};

/// Compares autoscalers in a simulated shop and writes `scaling.md` and `scaling/*.svg`.
#[derive(Debug, Parser)]
struct Args {
    /// The folder that has `worldcup98` and `autothrottle`; without it, only made-up load is played.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where the page goes.
    #[arg(long, default_value = "docs")]
    out: PathBuf,
    /// Of chance: the same seed gives the same page.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A second seed, for the summary that nothing was chosen by.
    #[arg(long, default_value_t = 2)]
    other: u64,
    /// Only scenarios whose name holds this; prints their table instead of writing the page.
    #[arg(long)]
    only: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.data.is_none() {
        say("no --data: recorded load is left out");
    }
    let contests = play(&args, args.seed)?;
    if args.only.is_some() {
        return print(&report::tables(&contests));
    }
    // The page is there before the second seed is through: that takes as long again.
    write(&args.out, &contests, &[])?;
    let other = play(&args, args.other)?;
    write(&args.out, &contests, &other)
}

fn play(args: &Args, seed: u64) -> anyhow::Result<Vec<Contest>> {
    let mut scenarios = match &args.data {
        Some(data) => recorded::all(data)?,
        None => Vec::new(),
    };
    scenarios.extend(generate::all(seed));
    let wanted = args.only.as_deref().unwrap_or_default();
    let chosen = scenarios
        .iter()
        .filter(|scenario| scenario.name.contains(wanted));
    let one = |scenario| {
        let scenario: &Scenario = scenario;
        say(&format!("playing {} with seed {seed}", scenario.name));
        contest::play(scenario, &Grid::whole(), seed)
    };
    Ok(chosen.map(one).collect())
}

fn write(out: &Path, contests: &[Contest], other: &[Contest]) -> anyhow::Result<()> {
    let pictures = out.join("scaling");
    fs::create_dir_all(&pictures)
        .with_context(|| format!("cannot make `{}`", pictures.display()))?;
    for contest in contests {
        let path = pictures.join(format!("{}.svg", report::file(&contest.name)));
        fs::write(&path, plot::svg(contest))
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let path = out.join("scaling.md");
    fs::write(&path, report::page(contests, other))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

#[expect(clippy::print_stderr, reason = "progress of a program for people")]
fn say(line: &str) {
    eprintln!("{line}");
}

fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print")
}
