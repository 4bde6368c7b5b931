//! `ostler policy prove`: every invariant of a bundle, proved or broken by a request in words.

use std::path::PathBuf;

use clap::Args;
use ostler_prove::{Law, Laws, Report};

use super::bundle::{BundleArgs, failed, laws, solver};
use crate::cli::{error::CliError, out::Out};

/// Arguments of `policy prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// A directory of invariants, `*.cedar` [default: those that ship with Ostler]
    #[arg(long, value_name = "DIR")]
    invariants: Option<PathBuf>,
}

/// Runs it.
pub async fn run(args: &ProveArgs, out: &mut Out) -> Result<(), CliError> {
    let engine = args.bundle.engine()?;
    let (subject, laws) = laws(args.invariants.as_deref(), &engine)?;
    let mut solver = solver().map_err(|error| failed(&error))?;
    let report = ostler_prove::prove(&subject, &laws, &mut solver).await;
    let report = report.map_err(|error| failed(&error))?;
    let raw = serde_json::to_value(&report).unwrap_or_default();
    let text = out.render(&raw, |_| text(&report, &laws))?;
    out.line(&text)?;
    if report.holds() {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "{} of {} invariants are not proved",
        report.broken.len() + report.unsettled.len(),
        laws.laws.len()
    )))
}

fn text(report: &Report, laws: &Laws) -> String {
    let mut lines: Vec<String> = laws.laws.iter().map(|law| line(law, report)).collect();
    lines.push(format!(
        "\n{} of {} invariants proved, for every request of {} kinds ({} questions to the solver)",
        report.proved.len(),
        laws.laws.len(),
        report.environments,
        report.questions
    ));
    lines.join("\n")
}

fn line(law: &Law, report: &Report) -> String {
    let Law { id, words, .. } = law;
    if let Some(broken) = report.broken.iter().find(|broken| broken.law == *id) {
        let by = match broken.example.spoke.as_slice() {
            [] => "no policy speaks".to_owned(),
            spoke => format!("what speaks: {}", spoke.join(", ")),
        };
        let means = law
            .means
            .as_deref()
            .map(|means| format!("\n          {means}"));
        return format!(
            "BROKEN    {words} ({id}){}\n          example: {}\n          {by}",
            means.unwrap_or_default(),
            broken.example.words()
        );
    }
    match report.unsettled.iter().find(|one| one.law == *id) {
        Some(unsettled) => format!("UNKNOWN   {words} ({id})\n          {}", unsettled.why),
        None if law.hard => format!("proved    {words}, whatever else is permitted ({id})"),
        None => format!("proved    {words} ({id})"),
    }
}
