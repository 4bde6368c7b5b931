//! Incidents that others recorded, or a user's own, held against the root-cause engine.

use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Instant};

use anyhow::{Context, ensure};
use ostler_diagnosis::{
    diagnose::diagnose,
    finding::{Diagnosis, Finding, Verdict},
    knowledge::Knowledge,
};
use ostler_evals_import::{
    case::{Case, Truth},
    cloudopsbench, generic, itbench, petshop, rcd,
};

use crate::{
    args::{Format, ImportArgs},
    figures::{fitted_nothing, share},
    series,
    stats::{Share, median},
};

/// Reads a set and says how the engine does on it.
pub fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    match args.format {
        Format::Nab => series::run(&args.folder),
        Format::Itbench => scenarios(&args.folder),
        Format::Cloudopsbench => cases(
            args,
            cloudopsbench::read(&args.folder)?,
            cloudopsbench::right,
        ),
        Format::Petshop => cases(args, petshop::read(&args.folder)?, plainly),
        Format::Rcd => cases(args, rcd::read(&args.folder)?, rcd::right),
        Format::Generic => cases(args, generic::read(&args.folder)?, plainly),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a finding names the object, and the cause too where one is told.
fn plainly(finding: &Finding, truth: &Truth) -> (bool, bool) {
    let Truth::Faulty { objects, cause } = truth else {
        return (false, false);
    };
    let object = objects.contains(&finding.object);
    let same = cause.is_none() || finding.cause == *cause;
    (object, object && same)
}

/// How one case went.
struct Went {
    id: String,
    healthy: bool,
    /// Something was found.
    found: bool,
    /// At which place the object was named, and object and cause.
    object: Option<usize>,
    cause: Option<usize>,
    millis: f64,
}

fn cases(
    args: &ImportArgs,
    cases: Vec<Case>,
    right: fn(&Finding, &Truth) -> (bool, bool),
) -> anyhow::Result<()> {
    ensure!(
        !cases.is_empty(),
        "`{}` holds no case",
        args.folder.display()
    );
    let knowledge = Knowledge::built_in().context("the knowledge base cannot be read")?;
    let mut groups: BTreeMap<String, Vec<Went>> = BTreeMap::new();
    for case in &cases {
        let began = Instant::now();
        let diagnosis = diagnose(&case.picture, &knowledge);
        let millis = began.elapsed().as_secs_f64() * 1e3;
        let went = went(case, &diagnosis, right, millis);
        if args.misses && went.cause != Some(0) && (!went.healthy || went.found) {
            println!("{}", miss(case, &diagnosis));
        }
        let group = case.id.split('/').next().unwrap_or_default().to_owned();
        groups.entry(group).or_default().push(went);
    }
    for (group, all) in &groups {
        println!("{group}");
        table(all);
    }
    if groups.len() > 1 {
        println!("all");
        let all: Vec<Went> = groups.into_values().flatten().collect();
        table(&all);
    }
    Ok(())
}

fn went(
    case: &Case,
    diagnosis: &Diagnosis,
    right: fn(&Finding, &Truth) -> (bool, bool),
    millis: f64,
) -> Went {
    let at = |which: fn((bool, bool)) -> bool| {
        let mut findings = diagnosis.findings.iter();
        findings.position(|finding| which(right(finding, &case.truth)))
    };
    Went {
        id: case.id.clone(),
        healthy: case.truth == Truth::Healthy,
        found: diagnosis.verdict == Verdict::Found,
        object: at(|(object, _)| object),
        cause: at(|(_, cause)| cause),
        millis,
    }
}

fn miss(case: &Case, diagnosis: &Diagnosis) -> String {
    let said = diagnosis.findings.first().map_or_else(
        || format!("{:?}", diagnosis.verdict),
        |first| {
            let cause = first.cause.as_deref().unwrap_or("something");
            format!("{cause} of {} ({:.2})", first.object, first.score)
        },
    );
    format!("MISS  {}: {said}, not {:?}", case.id, case.truth)
}

fn table(all: &[Went]) {
    let faulty: Vec<&Went> = all.iter().filter(|went| !went.healthy).collect();
    let within = |place: fn(&Went) -> Option<usize>, most: usize| {
        Share::of(&faulty, |went| place(went).is_some_and(|at| at < most))
    };
    let line = |name: &str, counted: Share| {
        if counted.whole > 0 {
            println!("  {name:<26}{}", share(counted));
        }
    };
    line("object first", within(|went| went.object, 1));
    line("object among three", within(|went| went.object, 3));
    line("object and cause first", within(|went| went.cause, 1));
    line("object and cause in three", within(|went| went.cause, 3));
    let healthy = all.iter().filter(|went| went.healthy);
    line(
        "healthy, and suspected",
        Share::of(healthy, |went| went.found),
    );
    let right = |went: &&Went| went.cause == Some(0) || (went.healthy && !went.found);
    println!(
        "  {:<26}{}",
        "5-fold cross-check",
        fitted_nothing(all.iter().map(|went| (went.id.as_str(), right(&went))))
    );
    if !faulty.is_empty() {
        println!(
            "  {:<26}{:.3}",
            "Avg@5 of the object",
            average_at_five(&faulty)
        );
    }
    let middle = median(all.iter().map(|went| went.millis)).unwrap_or_default();
    println!("  {:<26}{middle:.1} ms", "median time a case");
}

/// The mean of the shares of cases whose object is among the first one to five.
fn average_at_five(faulty: &[&Went]) -> f64 {
    let hits: usize = faulty
        .iter()
        .filter_map(|went| went.object)
        .map(|place| 5_usize.saturating_sub(place))
        .sum();
    let of = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    of(hits) / (5.0 * of(faulty.len()))
}

/// Scenarios without telemetry: there is nothing to diagnose, only to list.
fn scenarios(folder: &Path) -> anyhow::Result<()> {
    let all = itbench::read(folder)?;
    for scenario in &all {
        println!("{}  {:?}", scenario.case.id, scenario.case.truth);
    }
    println!(
        "{} scenarios; they hold no telemetry, so nothing is diagnosed",
        all.len()
    );
    Ok(())
}
