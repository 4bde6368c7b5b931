//! `ostler diagnose`: what is probably wrong, and what speaks for it.

use clap::Args;
use comfy_table::Color;
use ostler_core::id::ServiceKey;
use ostler_tools::answer::{Diagnosed, Suspect};
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::{Out, paint},
    print::show,
};

/// Arguments of `diagnose`.
#[derive(Debug, Args)]
pub struct DiagnoseArgs {
    /// The service that shows the symptom
    service: Option<ServiceKey>,
}

/// Runs it.
pub async fn run(args: DiagnoseArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let done = client
            .call::<Diagnosed>("diagnose", json!({ "service": args.service }))
            .await?;
        out.render(&done.raw, |out| words(out, &done.value))
    })
    .await
}

fn words(out: &Out, diagnosed: &Diagnosed) -> String {
    let head = match diagnosed.verdict.as_str() {
        "healthy" => return "nothing is wrong, as far as can be seen".to_owned(),
        "unknown" => "something is wrong, and the evidence does not say what".to_owned(),
        _ => "probably, likeliest first:".to_owned(),
    };
    let suspects = diagnosed.suspects.iter().map(|one| suspect(out, one));
    std::iter::once(head)
        .chain(suspects)
        .collect::<Vec<_>>()
        .join("\n")
}

fn suspect(out: &Out, suspect: &Suspect) -> String {
    let says = suspect.says.as_ref().or(suspect.cause.as_ref());
    let says = says.map_or("is where the trouble arises", String::as_str);
    let name = paint(&suspect.object, Color::Yellow, out.colour);
    let mut lines = vec![format!("{:.2}  {name} {says}", suspect.score)];
    let shown = suspect.untrusted_evidence.iter();
    lines.extend(shown.map(|shown| format!("        {shown}")));
    lines.extend(
        suspect
            .remedies
            .first()
            .map(|remedy| format!("      → {remedy}")),
    );
    lines.join("\n")
}
