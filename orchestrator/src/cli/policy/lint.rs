//! `ostler policy lint`: what in a bundle says nothing. Without the solver, only what scopes show.

use clap::Args;
use ostler_prove::ProveError;
use serde_json::json;

use super::bundle::{BundleArgs, failed, laws, solver};
use crate::cli::{error::CliError, out::Out};

/// Arguments of `policy lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    #[command(flatten)]
    bundle: BundleArgs,
}

/// Runs it. A bundle with a mistake, such as a policy without `@id`, is refused as it is at a start.
pub async fn run(args: &LintArgs, out: &mut Out) -> Result<(), CliError> {
    let engine = args.bundle.engine()?;
    let mut found = engine.lint();
    let mut unknown = None;
    match solver() {
        Ok(mut solver) => {
            let (subject, laws) = laws(None, &engine)?;
            let silent = ostler_prove::silent(&subject, &laws, &mut solver).await;
            let silent = silent.map_err(|error| failed(&error))?;
            found.extend(silent.iter().map(|one| format!("{} {}", one.name, one.why)));
        }
        Err(error @ ProveError::NoSolver { .. }) => unknown = Some(error.to_string()),
        Err(error) => return Err(failed(&error)),
    }
    let raw = json!({ "found": found, "policies": engine.policies().policies().count(), "unknown": unknown });
    let text = out.render(&raw, |_| match found.as_slice() {
        [] => format!(
            "nothing found in {} policies",
            engine.policies().policies().count()
        ),
        found => found.join("\n"),
    })?;
    out.line(&text)?;
    if let Some(why) = unknown {
        out.note(&format!(
            "unknown: whether some policy can never speak, or is always forbidden by others ({why})"
        ));
    }
    match found.len() {
        0 => Ok(()),
        some => Err(CliError::Failed(format!("{some} findings"))),
    }
}
