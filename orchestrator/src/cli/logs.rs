//! `ostler logs`: of one instance, or of all instances of a service, merged by time.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use comfy_table::Color;
use ostler_core::{id::InstanceId, time::Span};
use ostler_tools::answer::{InstanceInfo, Instances, LogAnswer, LogLine, LogStream};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::{Out, paint},
    words::{moment, untrusted},
};

/// How often new lines are asked for.
const FOLLOW: Duration = Duration::from_millis(400);

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// A service, or the id of one instance
    name: String,
    /// Go on with new lines
    #[arg(long, short)]
    follow: bool,
    /// The last so many lines of each instance, 10000 at most
    #[arg(long, default_value_t = 100, value_name = "LINES")]
    tail: u32,
    /// Only lines of the last so long, such as `10m`
    #[arg(long, value_name = "SPAN")]
    since: Option<Span>,
    /// With the time of each line (UTC)
    #[arg(long, short)]
    timestamps: bool,
}

/// All instances.
pub async fn instances(client: &Client) -> Result<Vec<InstanceInfo>, CliError> {
    Ok(client
        .call::<Instances>("list_instances", json!({}))
        .await?
        .value
        .instances)
}

/// Runs it.
pub async fn run(args: LogsArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let mut cursors: BTreeMap<InstanceId, u64> = BTreeMap::new();
    let mut known = matching(client, &args.name).await?;
    if known.is_empty() {
        return Err(CliError::Failed(format!(
            "there is no instance `{}`, nor a service of that name with instances",
            args.name
        )));
    }
    loop {
        let mut page: Vec<(InstanceId, LogLine)> = Vec::new();
        for id in &known {
            let answer = read(client, &args, id, cursors.get(id).copied()).await;
            let Some(answer) = gone_is_nothing(answer, args.follow || known.len() > 1)? else {
                continue;
            };
            cursors.insert(id.clone(), answer.cursor);
            page.extend(
                answer
                    .untrusted_lines
                    .into_iter()
                    .map(|line| (id.clone(), line)),
            );
        }
        page.sort_by_key(|(_, line)| line.at);
        let named = known.len() > 1 || cursors.len() > 1;
        print(&args, out, &page, named)?;
        if !args.follow {
            return Ok(());
        }
        tokio::time::sleep(FOLLOW).await;
        known = matching(client, &args.name).await?;
    }
}

async fn matching(client: &Client, name: &str) -> Result<Vec<InstanceId>, CliError> {
    let all = instances(client).await?;
    if let Some(info) = all.iter().find(|info| info.instance.as_str() == name) {
        return Ok(vec![info.instance.clone()]);
    }
    let full = format!("default/{name}");
    let of_it = |info: &&InstanceInfo| {
        [name, full.as_str()].contains(&info.seen.service.to_string().as_str())
    };
    Ok(all
        .iter()
        .filter(of_it)
        .map(|info| info.instance.clone())
        .collect())
}

async fn read(
    client: &Client,
    args: &LogsArgs,
    id: &InstanceId,
    after: Option<u64>,
) -> Result<LogAnswer, CliError> {
    let (tail, since) = match after {
        Some(_) => (10_000, None),
        None => (args.tail, args.since),
    };
    let call = json!({ "instance": id, "after": after, "tail": tail, "since": since });
    Ok(client.call::<LogAnswer>("read_logs", call).await?.value)
}

/// While following, an instance may go away between two looks.
fn gone_is_nothing(
    answer: Result<LogAnswer, CliError>,
    follow: bool,
) -> Result<Option<LogAnswer>, CliError> {
    match answer {
        Err(CliError::Refused(_) | CliError::Failed(_)) if follow => Ok(None),
        other => other.map(Some),
    }
}

fn print(
    args: &LogsArgs,
    out: &mut Out,
    page: &[(InstanceId, LogLine)],
    named: bool,
) -> Result<(), CliError> {
    if page.is_empty() {
        return Ok(());
    }
    if out.machine() {
        let one = |(id, line): &(InstanceId, LogLine)| {
            let mut value = serde_json::to_value(line).unwrap_or_default();
            if let Value::Object(fields) = &mut value {
                fields.insert("instance".to_owned(), id.as_str().into());
            }
            value.to_string()
        };
        let lines: Vec<String> = page.iter().map(one).collect();
        return out.line(&lines.join("\n"));
    }
    let lines: Vec<String> = page
        .iter()
        .map(|(id, line)| text(args, out, id, line, named))
        .collect();
    out.line(&lines.join("\n"))
}

fn text(args: &LogsArgs, out: &Out, id: &InstanceId, line: &LogLine, named: bool) -> String {
    let mut parts = Vec::new();
    if args.timestamps {
        parts.push(moment(line.at));
    }
    if named {
        parts.push(paint(id.as_str(), Color::Cyan, out.colour));
    }
    let written = untrusted(&line.text);
    parts.push(if line.stream == LogStream::Stderr {
        paint(&written, Color::Yellow, out.colour)
    } else {
        written
    });
    parts.join(" ")
}
