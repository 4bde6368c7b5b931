//! `ostler status`

use comfy_table::Color;
use ostler_tools::answer::{Counts, Status};
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::{Out, paint},
    print::{pairs, show},
    words::{ago, moment, untrusted},
};

/// Shows the whole at a glance.
pub async fn run(client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let done = client.call::<Status>("get_status", json!({})).await?;
        out.render(&done.raw, |out| table(out, &done.value))
    })
    .await
}

fn table(out: &Out, status: &Status) -> String {
    let running = format!(
        "{} of {} running",
        status.instances_running, status.instances
    );
    let mut lines = vec![
        (
            "Daemon",
            format!(
                "ostler {}, backend {}, up {}",
                status.version,
                status.backend,
                ago(status.started_at)
            ),
        ),
        (
            "HTTP",
            status.http.clone().unwrap_or_else(|| "off".to_owned()),
        ),
        ("Revision", status.revision.to_string()),
        ("Services", counts(out, &status.services)),
        ("Instances", running),
        (
            "Nodes",
            format!("{} of {} ready", status.nodes_ready, status.nodes),
        ),
        (
            "Agents",
            format!("{} of {} at work", status.agents_running, status.agents),
        ),
        ("Incidents", format!("{} open", status.incidents_open)),
        ("Approvals", format!("{} waiting", status.approvals_waiting)),
        ("You", status.you.clone()),
    ];
    for emergency in &status.emergencies {
        let words = format!(
            "{} until {} UTC: {}",
            emergency.person,
            moment(emergency.until),
            untrusted(&emergency.reason)
        );
        lines.push(("EMERGENCY", paint(&words, Color::Red, out.colour)));
    }
    for shown in &status.freezes {
        let words = format!(
            "{} until {} UTC: {}",
            shown.name,
            moment(shown.freeze.until),
            untrusted(&shown.freeze.reason)
        );
        lines.push(("Freeze", words));
    }
    if !status.problems.is_empty() {
        lines.push((
            "Problems",
            paint(&status.problems.join("\n"), Color::Red, out.colour),
        ));
    }
    pairs(&lines)
}

fn counts(out: &Out, counts: &Counts) -> String {
    let all = [
        (counts.healthy, "healthy", Color::Green),
        (counts.progressing, "progressing", Color::Cyan),
        (counts.degraded, "degraded", Color::Yellow),
        (counts.down, "down", Color::Red),
        (counts.idle, "idle", Color::Reset),
    ];
    let some = all.iter().filter(|(count, ..)| *count > 0);
    let words: Vec<String> = some
        .map(|(count, word, colour)| {
            paint(
                &format!("{count} {word}"),
                *colour,
                out.colour && *colour != Color::Reset,
            )
        })
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}
