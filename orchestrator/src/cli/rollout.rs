//! `ostler rollout`: how a new version comes in, and holding, promoting or leaving it.

use clap::{Args, Subcommand};
use ostler_core::{
    id::{Generation, ServiceKey},
    plan::Judged,
    rollout::Stage,
    traffic::{Version, WHOLE},
};
use ostler_tools::answer::RolloutInfo;
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{pairs, show},
    service::change,
    words::{ago, clock, span},
};

/// Arguments of `rollout`.
#[derive(Debug, Args)]
pub struct RolloutArgs {
    #[command(subcommand)]
    command: Command,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
enum Command {
    /// How it stands
    Status(One),
    /// Hold it where it is
    Pause(Meant),
    /// Let it go on; its stage begins anew
    Resume(Meant),
    /// Let it take its next stage now
    Promote(Promote),
    /// Leave the new version and go back to the last good one at once
    Abort(Meant),
}

#[derive(Debug, Args)]
struct One {
    /// Which service
    service: ServiceKey,
}

#[derive(Debug, Args)]
struct Meant {
    /// Which service
    service: ServiceKey,
    /// The generation that rolls out; refused if it is another one by then
    #[arg(long)]
    generation: Option<u64>,
}

#[derive(Debug, Args)]
struct Promote {
    #[command(flatten)]
    meant: Meant,
    /// Past all steps of a canary
    #[arg(long)]
    full: bool,
}

/// Runs it.
pub async fn run(args: RolloutArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let (tool, meant, full) = match args.command {
        Command::Status(one) => return status(one, client, out).await,
        Command::Pause(meant) => ("pause_rollout", meant, None),
        Command::Resume(meant) => ("resume_rollout", meant, None),
        Command::Promote(promote) => ("promote_rollout", promote.meant, Some(promote.full)),
        Command::Abort(meant) => ("abort_rollout", meant, None),
    };
    let mut call = json!({ "service": meant.service, "generation": meant.generation });
    if let (Some(full), Some(fields)) = (full, call.as_object_mut()) {
        fields.insert("full".to_owned(), full.into());
    }
    change(client, out, tool, call).await.map(drop)
}

async fn status(one: One, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let call = json!({ "service": one.service });
    show(out, async |out| {
        let done = client
            .call::<RolloutInfo>("get_rollout", call.clone())
            .await?;
        out.render(&done.raw, |_| text(&done.value))
    })
    .await
}

fn text(info: &RolloutInfo) -> String {
    let mut lines = vec![("Service", info.service.to_string())];
    lines.extend(rows(info));
    pairs(&lines)
}

/// The rollout for people, a line each.
pub fn lines(info: &RolloutInfo) -> Vec<String> {
    vec![pairs(&rows(info))]
}

fn rows(info: &RolloutInfo) -> Vec<(&'static str, String)> {
    let version = |generation: Generation, image: &str| format!("{generation} ({image})");
    let mut rows = vec![
        ("Rollout", info.stands.clone()),
        ("Strategy", info.strategy.clone()),
        ("New", version(info.generation, &info.image)),
    ];
    if let (Some(generation), Some(image)) = (info.last_good, &info.last_good_image) {
        rows.push(("Last good", version(generation, image)));
    }
    if let Some(since) = info.paused {
        rows.push(("Paused", format!("for {}", ago(since))));
    }
    if info.under_way {
        rows.push(("Waits", waits(info)));
    }
    if let Some(deadline) = info.deadline {
        let at = clock(deadline);
        rows.push(if info.ends_unjudged() {
            (
                "Ends",
                format!("at {at}, unjudged, unless its traffic tells before"),
            )
        } else {
            ("Goes back", format!("at {at} unless something happens"))
        });
    }
    if let Some(judged) = &info.analysis {
        rows.push(("Analysis", analysis(judged)));
    }
    if !info.traffic.is_empty() {
        let shares: Vec<String> = info.traffic.iter().map(share).collect();
        rows.push(("Traffic", shares.join("\n")));
    }
    rows
}

/// How the new version does, a line for each measure.
fn analysis(judged: &Judged) -> String {
    let mut lines = vec![judged.headline()];
    let findings = judged.judgement().into_iter();
    let findings = findings.flat_map(|judgement| &judgement.findings);
    lines.extend(findings.map(|finding| {
        let (measure, verdict) = (finding.measure.in_words(), finding.verdict.in_words());
        format!("{measure}: {verdict}: {}", finding.words)
    }));
    lines.join("\n")
}

fn waits(info: &RolloutInfo) -> String {
    let so_far = ago(info.since);
    match (info.paused, info.mark.bakes, info.awaits_promotion) {
        (Some(_), _, _) => "to be resumed, promoted or aborted".to_owned(),
        (None, true, true) => format!("to be promoted; bakes {}, {so_far} so far", span(info.bake)),
        (None, true, false) => format!("for its bake of {}, {so_far} so far", span(info.bake)),
        _ if info.mark.stage == Stage::Promoted => {
            format!(
                "with the old version kept for {}, {so_far} so far",
                span(info.bake)
            )
        }
        _ => format!("for its instances, {so_far} so far"),
    }
}

fn share(version: &Version) -> String {
    let percent = f64::from(version.weight) * 100.0 / f64::from(WHOLE);
    let instances = match version.instances.len() {
        1 => "1 instance".to_owned(),
        many => format!("{many} instances"),
    };
    format!(
        "generation {}: {percent:.1} % on {instances}",
        version.generation
    )
}
