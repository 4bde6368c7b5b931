//! Runs cases, goes on with an earlier report, writes what came of it.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use ostler_evals::bundle::{self, Bundle};
use ostler_evals_closed::{
    CaseError,
    mechanism::{self, Case},
    oracle,
    play::{Hand, play},
    suite,
};

use crate::{
    args::{Cases, RunArgs, Suite},
    certify, compare, html, junit,
    minds::{Asked, Minds, Seat},
    report::{FORMAT, Report, half, hash},
    row::Row,
    words,
};

/// Every case that was asked for.
struct Chosen {
    bundles: Vec<Bundle>,
    faults: Vec<Case>,
}

impl Chosen {
    fn read(cases: &Cases) -> anyhow::Result<Self> {
        let wanted = |suite| cases.suite == suite || cases.suite == Suite::All;
        let mut chosen = Self {
            bundles: Vec::new(),
            faults: Vec::new(),
        };
        if let Some(folder) = &cases.bundle {
            chosen.bundles = bundles_of(folder)?;
            return Ok(chosen);
        }
        if wanted(Suite::Incidents) {
            let folder = cases.folder.join("incidents");
            chosen.bundles = bundle::read_all(&folder).with_context(|| not_there(cases))?;
        }
        if wanted(Suite::Faults) {
            let folder = cases.folder.join("faults");
            chosen.faults = mechanism::read_all(&folder).with_context(|| not_there(cases))?;
        }
        let fits = |name: &str| {
            cases.only.as_ref().is_none_or(|only| name.contains(only))
                && cases.split.is_none_or(|split| half(name) == split)
        };
        chosen.bundles.retain(|bundle| fits(&bundle.name));
        chosen.faults.retain(|case| fits(&case.name));
        Ok(chosen)
    }

    const fn count(&self) -> usize {
        self.bundles.len() + self.faults.len()
    }
}

/// One bundle, or every one in a folder.
fn bundles_of(folder: &Path) -> anyhow::Result<Vec<Bundle>> {
    if folder.join("incident.yaml").is_file() {
        return Ok(vec![bundle::read(folder)?]);
    }
    Ok(bundle::read_all(folder)?)
}

fn not_there(cases: &Cases) -> String {
    format!(
        "cannot read the cases of `{}`; name the folder of the evals with --folder",
        cases.folder.display()
    )
}

/// Checks that everything can be read and makes sense.
pub fn lint(cases: &Cases) -> anyhow::Result<ExitCode> {
    let chosen = Chosen::read(cases)?;
    for bundle in &chosen.bundles {
        let wrong = ostler_evals::lint::lint(bundle);
        ensure!(wrong.is_empty(), "`{}`: {}", bundle.name, wrong.join("; "));
    }
    println!(
        "{} incidents and {} faults can be read",
        chosen.bundles.len(),
        chosen.faults.len()
    );
    Ok(ExitCode::SUCCESS)
}

/// Runs cases.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let minds = Minds::open(args)?;
    let signer = certify::signer(args)?;
    let mut chosen = Chosen::read(&args.cases)?;
    chosen.bundles.retain(|bundle| bundle.agent == args.agent);
    ensure!(chosen.count() > 0, "no case fits what was asked for");
    let report = Mutex::new(begin(args, &minds)?);
    let bar = bar(chosen.count() * usize::try_from(args.repeats)?);
    for run in 1..=args.repeats {
        incidents(args, &minds, &chosen.bundles, run, &report, &bar)?;
        faults(args, &minds, &chosen.faults, run, &report, &bar)?;
    }
    bar.finish_and_clear();
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    write(args, &report)?;
    println!("{}", words::summary(&report));
    if let Some(signer) = &signer {
        certify::write(args, minds.make(), &report, signer)?;
    }
    judge(args, &report)
}

/// A report to fill: an earlier one of the same making is gone on with, but for cases in which a model
/// was not heard.
fn begin(args: &RunArgs, minds: &Minds) -> anyhow::Result<Report> {
    let fresh = Report {
        format: FORMAT,
        agent: args.agent.clone(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        make: minds.make().digest(),
        planner: minds.make().planner.clone(),
        answers: minds.answers(),
        seed: args.seed,
        repeats: args.repeats,
        rows: Vec::new(),
    };
    let Some(path) = args.json.as_ref().filter(|path| path.exists()) else {
        return Ok(fresh);
    };
    let mut earlier = Report::read(path)?;
    let same = |one: &Report| (one.make.clone(), one.answers, one.seed, one.repeats);
    ensure!(
        same(&earlier) == same(&fresh),
        "`{}` is the report of another run; move it away or name another file",
        path.display()
    );
    earlier.rows.retain(|row| row.asked.unanswered == 0);
    Ok(earlier)
}

/// What marks around data are made of: each run of each case has its own, the same every time.
fn marks(args: &RunArgs, case: &str, run: u32) -> u64 {
    hash(&format!("{case}/{run}/{}", args.seed))
}

/// What a case's broker counted in the end.
async fn left(seat: Option<Seat>) -> Asked {
    match seat {
        Some(seat) => seat.leave().await,
        None => Asked::default(),
    }
}

fn bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn done(report: &Mutex<Report>) -> BTreeSet<(String, String, u32)> {
    let report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.rows.iter().map(Row::key).collect()
}

/// Keeps a row at once, so that a run that is broken off is gone on with.
fn keep(args: &RunArgs, report: &Mutex<Report>, row: Row) {
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.rows.push(row);
    report.rows.sort_by_key(Row::key);
    if let Some(path) = &args.json
        && let Err(error) = report.write(path)
    {
        eprintln!("warning: {error:#}");
    }
}

fn incidents(
    args: &RunArgs,
    minds: &Minds,
    bundles: &[Bundle],
    run: u32,
    report: &Mutex<Report>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let done = done(report);
    for bundle in bundles {
        bar.set_message(bundle.name.clone());
        if !done.contains(&("incidents".to_owned(), bundle.name.clone(), run)) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()?;
            let seat = minds.seat(marks(args, &bundle.name, run))?;
            let models = seat.as_ref().map(|seat| seat.models.clone());
            let seen = runtime.block_on(ostler_evals::replay::replay(bundle, models));
            let asked = runtime.block_on(left(seat));
            let verdict = ostler_evals::judge::judge(bundle, &seen?);
            let row = Row::of_incident(verdict, bundle.is_unconfirmed(), run, asked);
            keep(args, report, row);
        }
        bar.inc(1);
    }
    Ok(())
}

fn faults(
    args: &RunArgs,
    minds: &Minds,
    cases: &[Case],
    run: u32,
    report: &Mutex<Report>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let done = done(report);
    let is_new = |case: &&Case| !done.contains(&("faults".to_owned(), case.name.clone(), run));
    let todo: Vec<Case> = cases.iter().filter(is_new).cloned().collect();
    bar.inc(u64::try_from(cases.len() - todo.len()).unwrap_or(0));
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let seed = args.seed.wrapping_add(u64::from(run - 1));
    let one = async |case: &Case| {
        let seat = minds.seat(marks(args, &case.name, run));
        let seat = seat.map_err(|error| CaseError {
            place: case.name.clone(),
            problem: format!("{error:#}"),
        })?;
        let models = seat.as_ref().map(|seat| seat.models.clone());
        let hand = match &models {
            Some(models) => Hand::Thinking(&args.agent, models),
            None => Hand::Agent(&args.agent),
        };
        let ended = play(case, hand, seed).await;
        let asked = left(seat).await;
        let row = Row::of_fault(oracle::judge(case, &ended?), run, asked);
        keep(args, report, row);
        Ok(())
    };
    let told = |case: &Case| {
        bar.set_message(case.name.clone());
        bar.inc(1);
    };
    suite::each(&todo, args.jobs.unwrap_or(jobs), one, told)?;
    Ok(())
}

fn write(args: &RunArgs, report: &Report) -> anyhow::Result<()> {
    let text = |path: &Path, text: String| {
        fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
    };
    if let Some(path) = &args.json {
        report.write(path)?;
    }
    if let Some(path) = &args.junit {
        text(path, junit::xml(report))?;
    }
    if let Some(path) = &args.html {
        text(path, html::page(report))?;
    }
    Ok(())
}

/// 1 when something got worse than the baseline; without one, when something failed.
fn judge(args: &RunArgs, report: &Report) -> anyhow::Result<ExitCode> {
    let Some(path) = &args.baseline else {
        let failed = report.rows.iter().any(|row| !row.passed());
        return Ok(ExitCode::from(u8::from(failed)));
    };
    let mut before = Report::read(path)?;
    // What was not asked for is not gone.
    let asked: BTreeSet<_> = report
        .rows
        .iter()
        .map(|row| (&row.suite, &row.case))
        .collect();
    before
        .rows
        .retain(|row| asked.contains(&(&row.suite, &row.case)));
    let flips = compare::flips(&before, report);
    println!(
        "\nagainst `{}`:\n{}",
        path.display(),
        compare::in_words(&flips)
    );
    Ok(compare::code(&flips))
}
