//! `ostler top`: what instances use now.

use clap::Args;
use ostler_core::id::ServiceKey;
use ostler_tools::answer::InstanceInfo;
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, show, table},
    signals::{latest, value},
};

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Only instances of this service
    service: Option<ServiceKey>,
}

const COLUMNS: [(&str, &str, &str); 5] = [
    ("CPU CORES", "cpu cores", "cores"),
    ("MEMORY", "memory bytes", "bytes"),
    ("OF LIMIT", "memory share", "share"),
    ("THROTTLED", "cpu throttled", "share"),
    ("MEMORY PRESSURE", "memory pressure", "share"),
];

/// Runs it.
pub async fn run(args: TopArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let mut all = super::logs::instances(client).await?;
        all.retain(|info| {
            args.service
                .as_ref()
                .is_none_or(|service| info.seen.service == *service)
        });
        let mut used: Vec<(InstanceInfo, Vec<(String, f64)>)> = Vec::new();
        for info in all {
            let values = match latest(client, info.instance.as_str()).await {
                Err(CliError::Refused(_)) => continue,
                values => values?,
            };
            used.push((info, values));
        }
        let raw = used.iter().map(|(info, values)| {
            let values: serde_json::Map<_, _> = values
                .iter()
                .map(|(kind, value)| (kind.replace(' ', "_"), json!(value)))
                .collect();
            json!({ "instance": info.instance, "service": info.seen.service, "signals": values })
        });
        out.render(&json!({ "instances": raw.collect::<Vec<_>>() }), |out| {
            usage_table(out, &used)
        })
    })
    .await
}

fn usage_table(out: &Out, used: &[(InstanceInfo, Vec<(String, f64)>)]) -> String {
    let headers: Vec<&str> = ["INSTANCE"]
        .into_iter()
        .chain(COLUMNS.iter().map(|(header, ..)| *header))
        .collect();
    let row = |(info, values): &(InstanceInfo, Vec<(String, f64)>)| {
        let of = |kind: &str| {
            values
                .iter()
                .find(|(name, _)| name == kind)
                .map(|(_, value)| *value)
        };
        let known = COLUMNS.iter().map(|(_, kind, unit)| {
            cell(of(kind).map_or_else(|| "-".to_owned(), |now| value(now, unit)))
        });
        std::iter::once(cell(&info.instance)).chain(known).collect()
    };
    table(
        out,
        "no instances",
        &headers,
        used.iter().map(row).collect(),
    )
}
