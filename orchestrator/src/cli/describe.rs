//! `ostler describe`: everything about one thing.

use clap::{Args, ValueEnum};
use ostler_core::plan::{Finding, ServiceState};
use ostler_tools::answer::{GenerationInfo, InstanceInfo, NeedState, ServiceDetail};
use serde_json::json;

use super::{
    apply, approvals,
    client::Client,
    error::CliError,
    events, get, incidents,
    out::{Out, paint},
    print::{pairs, section, show},
    proposals, rollout, tune,
    words::{ago, colour_of, moment, now, short, span, untrusted, word},
};

/// Arguments of `describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// What
    #[arg(value_enum)]
    what: What,
    /// Which
    name: String,
}

/// Things that can be described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What should run.
    #[value(alias = "services", alias = "svc")]
    Service,
    /// What runs.
    #[value(alias = "instances")]
    Instance,
    /// Where.
    #[value(alias = "nodes")]
    Node,
    /// What went wrong.
    #[value(alias = "incidents")]
    Incident,
    /// What an agent would do.
    #[value(alias = "proposals")]
    Proposal,
    /// What waits for a person's yes.
    #[value(alias = "approvals")]
    Approval,
}

/// Runs it.
pub async fn run(args: DescribeArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let name = args.name.as_str();
    match args.what {
        What::Service => show(out, async |out| service(client, out, name).await).await,
        What::Instance => show(out, async |out| instance(client, out, name).await).await,
        What::Node => {
            get::run(
                get::GetArgs {
                    what: get::What::Nodes,
                    name: Some(args.name),
                },
                client,
                out,
            )
            .await
        }
        What::Incident => show(out, async |out| incidents::one(client, out, name).await).await,
        What::Proposal => show(out, async |out| proposals::one(client, out, name).await).await,
        What::Approval => show(out, async |out| approvals::one(client, out, name).await).await,
    }
}

async fn service(client: &Client, out: &Out, name: &str) -> Result<String, CliError> {
    let done = client
        .call::<ServiceDetail>("get_service", json!({ "service": name }))
        .await?;
    out.render(&done.raw, |out| service_text(out, &done.value))
}

fn service_text(out: &Out, detail: &ServiceDetail) -> String {
    let mut text = service_head(out, detail);
    let mut add = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push('\n');
            text.push_str(&section(title, &lines.join("\n")));
        }
    };
    let findings = detail.summary.findings.iter().map(finding);
    let missing = detail.missing_secrets.iter().map(ToString::to_string);
    let past = detail
        .generations
        .iter()
        .map(|past| generation(past, out.colour));
    let spec = serde_saphyr::to_string(&detail.spec).unwrap_or_default();
    add("Findings", findings.collect());
    let (scaling, tuning) = (detail.scaling.as_ref(), detail.tuning.as_ref());
    add("Missing secrets", missing.collect());
    add(
        "Rollout",
        detail.rollout.iter().flat_map(rollout::lines).collect(),
    );
    add("Scaling", tune::lines(scaling, tuning));
    add(
        "Instances",
        vec![get::instance_table(out, &detail.instances)],
    );
    add("Generations", past.collect());
    add("Spec", vec![spec]);
    add("Events", detail.events.iter().map(events::line).collect());
    text
}

fn service_head(out: &Out, detail: &ServiceDetail) -> String {
    let summary = &detail.summary;
    let state = state_word(summary.state);
    let settled = if summary.settled {
        "settled"
    } else {
        "rollout under way"
    };
    let instances = format!(
        "{} ready, {} running, {} wanted",
        summary.ready, summary.running, summary.wanted
    );
    let changed = ago(summary.changed_at);
    let need = |need: &NeedState| format!("{} ({})", short(&need.service), state_word(need.state));
    pairs(&[
        ("Service", summary.service.to_string()),
        ("State", paint(&state, colour_of(summary.state), out.colour)),
        ("Image", summary.image.clone()),
        ("Instances", instances),
        (
            "Generation",
            format!("{} ({settled}, {changed} ago)", summary.generation),
        ),
        ("Needs", or_none(detail.needs.iter().map(need))),
        ("Needed by", or_none(detail.needed_by.iter().map(short))),
        (
            "Blast radius",
            or_none(detail.blast_radius.iter().map(short)),
        ),
    ])
}

fn state_word(state: Option<ServiceState>) -> String {
    state.map_or_else(|| "unknown".to_owned(), |state| word(&state))
}

fn or_none(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn generation(past: &GenerationInfo, colour: bool) -> String {
    let mark = match (past.current, past.last_good) {
        (true, true) => " (current, good)",
        (true, false) => " (current)",
        (false, true) => " (last good)",
        (false, false) => "",
    };
    let mut lines = vec![format!(
        "{}{mark}: {}, {}",
        past.generation,
        past.image,
        moment(past.changed_at)
    )];
    lines.extend(past.rollback.iter().map(|line| apply::field(line, colour)));
    lines.join("\n")
}

/// What the rules found, in words.
pub fn finding(finding: &Finding) -> String {
    ostler_tools::words::finding(finding, now())
}

async fn instance(client: &Client, out: &Out, name: &str) -> Result<String, CliError> {
    let done = client
        .call::<InstanceInfo>("get_instance", json!({ "instance": name }))
        .await?;
    out.render(&done.raw, |out| instance_text(out, &done.value))
}

fn instance_text(out: &Out, info: &InstanceInfo) -> String {
    let seen = &info.seen;
    let (phase, colour) = get::phase(seen);
    let detail = match &seen.phase {
        ostler_core::observed::Phase::Failed { problem } => untrusted(&problem.detail),
        _ => "-".to_owned(),
    };
    let dash = || "-".to_owned();
    let mut text = pairs(&[
        ("Instance", info.instance.to_string()),
        (
            "Service",
            format!("{}, generation {}", seen.service, seen.generation),
        ),
        (
            "Phase",
            format!(
                "{}, for {}",
                paint(&phase, colour, out.colour),
                ago(seen.since)
            ),
        ),
        ("Problem", detail),
        (
            "Ready",
            format!(
                "{}, traffic {}",
                info.ready,
                if info.in_rotation { "on" } else { "off" }
            ),
        ),
        ("Node", seen.node.to_string()),
        (
            "Address",
            seen.address
                .map_or_else(dash, |address| address.to_string()),
        ),
        ("Process", seen.pid.map_or_else(dash, |pid| pid.to_string())),
        ("Attempt", seen.attempt.to_string()),
        (
            "Reserved",
            format!("{} CPU, {} memory", seen.cpu, seen.memory),
        ),
        ("Startup", probe(&seen.health.startup)),
        ("Liveness", probe(&seen.health.liveness)),
        ("Readiness", probe(&seen.health.readiness)),
    ]);
    let ends: Vec<String> = seen
        .exits
        .iter()
        .map(|exit| {
            let asked = if exit.asked { ", asked for" } else { "" };
            format!(
                "{} attempt {}: {} after {}{asked}",
                moment(exit.at),
                exit.attempt,
                exit.in_words(),
                span(exit.ran)
            )
        })
        .collect();
    if !ends.is_empty() {
        text.push('\n');
        text.push_str(&section("Ends", &ends.join("\n")));
    }
    text
}

fn probe(answer: &ostler_core::observed::Answer) -> String {
    use ostler_core::observed::Answer;
    match answer {
        Answer::Unknown => "not asked".to_owned(),
        Answer::Yes { since } => format!("yes, for {}", ago(*since)),
        Answer::No { since, reason } => format!("no, for {}: {}", ago(*since), untrusted(reason)),
    }
}
