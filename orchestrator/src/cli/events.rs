//! `ostler events`

use std::time::Duration;

use clap::Args;
use ostler_core::{
    event::Event,
    id::{InstanceId, ServiceKey},
    time::Span,
};
use ostler_tools::{answer::Events, words::happening};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    words::{moment, short},
};

/// How often new events are asked for.
const FOLLOW: Duration = Duration::from_millis(500);

/// Arguments of `events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only about this service
    service: Option<ServiceKey>,
    /// Only about this instance
    #[arg(long)]
    instance: Option<InstanceId>,
    /// Only of the last so long, such as `10m`
    #[arg(long, value_name = "SPAN")]
    since: Option<Span>,
    /// Only these kinds, such as `exited`
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    kinds: Vec<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

/// Runs it; with `--watch` goes on with new ones.
pub async fn run(args: EventsArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let kinds = (!args.kinds.is_empty()).then_some(&args.kinds);
    let mut after: Option<u64> = None;
    loop {
        let call = json!({
            "service": args.service, "instance": args.instance, "kinds": kinds,
            "since": if after.is_none() { args.since } else { None },
            "limit": if after.is_none() { args.limit } else { 500 }, "after": after,
        });
        let done = client.call::<Events>("list_events", call).await?;
        print(out, &done.raw, &done.value, after.is_none())?;
        if !out.watch {
            return Ok(());
        }
        // A daemon that was started anew counts from the beginning.
        after = Some(done.value.last_seq).filter(|last| after.is_none_or(|after| *last >= after));
        tokio::time::sleep(FOLLOW).await;
    }
}

fn print(out: &mut Out, raw: &Value, events: &Events, first: bool) -> Result<(), CliError> {
    if out.watch && out.machine() {
        let lines: Vec<String> = events
            .events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap_or_default())
            .collect();
        return if lines.is_empty() {
            Ok(())
        } else {
            out.line(&lines.join("\n"))
        };
    }
    let lines: Vec<String> = events.events.iter().map(line).collect();
    let empty = if first { "no events" } else { "" };
    let text = out.render(raw, |_| {
        if lines.is_empty() {
            empty.to_owned()
        } else {
            lines.join("\n")
        }
    })?;
    if text.is_empty() {
        Ok(())
    } else {
        out.line(&text)
    }
}

/// One event in one line.
pub fn line(event: &Event) -> String {
    let whom = match (&event.instance, &event.service) {
        (Some(instance), _) => instance.to_string(),
        (None, Some(service)) => short(service),
        (None, None) => "-".to_owned(),
    };
    format!(
        "{}  {whom:<24}  {}",
        moment(event.at),
        happening(&event.what)
    )
}
