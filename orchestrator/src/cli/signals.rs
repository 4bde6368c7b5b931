//! `ostler signals`

use clap::Args;
use comfy_table::Cell;
use ostler_core::{signal::Point, time::Span};
use ostler_tools::answer::{SignalSeries, Signals};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, show, table},
    words::{bytes, word},
};

/// Arguments of `signals`.
#[derive(Debug, Args)]
pub struct SignalsArgs {
    /// A service, or the id of an instance, or with --node a node
    name: String,
    /// The name is a node's
    #[arg(long)]
    node: bool,
    /// The last so long; an hour of instances, a day of services and nodes
    #[arg(long, default_value = "15m", value_name = "SPAN")]
    since: Span,
    /// Only these kinds, such as `memory_bytes`
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    kinds: Vec<String>,
    /// Points a series
    #[arg(long, default_value_t = 60)]
    points: u32,
}

/// Runs it.
pub async fn run(args: SignalsArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let instance = super::logs::instances(client)
        .await?
        .iter()
        .any(|info| info.instance.as_str() == args.name);
    let field = match (args.node, instance) {
        (true, _) => "node",
        (false, true) => "instance",
        (false, false) => "service",
    };
    let kinds = (!args.kinds.is_empty()).then_some(&args.kinds);
    let call =
        json!({ field: args.name, "since": args.since, "kinds": kinds, "points": args.points });
    show(out, async |out| {
        let done = client
            .call::<Signals>("query_signals", call.clone())
            .await?;
        out.render(&done.raw, |out| signals_table(out, &done.value))
    })
    .await
}

fn signals_table(out: &Out, signals: &Signals) -> String {
    let headers = [
        "SIGNAL",
        "LAST",
        "MIN",
        "MEAN",
        "MAX",
        "PER MINUTE",
        "GAPS",
        "SHAPE",
    ];
    table(
        out,
        "nothing is known of it yet",
        &headers,
        signals.series.iter().map(row).collect(),
    )
}

fn row(series: &SignalSeries) -> Vec<Cell> {
    let Some(shape) = &series.shape else {
        return vec![cell(word(&series.kind)), cell("no values")];
    };
    let unit = series.unit.as_str();
    let slope = shape
        .slope_per_minute
        .map_or_else(|| "-".to_owned(), |slope| signed(slope, unit));
    vec![
        cell(word(&series.kind)),
        cell(value(shape.last, unit)),
        cell(value(shape.min, unit)),
        cell(value(shape.mean, unit)),
        cell(value(shape.max, unit)),
        cell(slope),
        cell(shape.gaps),
        cell(spark(&series.points, shape.min, shape.max)),
    ]
}

/// A value with its unit.
pub fn value(value: f64, unit: &str) -> String {
    match unit {
        "bytes" => bytes(value),
        "share" => format!("{:.1} %", value * 100.0),
        "seconds" if value < 1.0 => format!("{:.1} ms", value * 1_000.0),
        "seconds" => format!("{value:.2} s"),
        "cores" => format!("{value:.3}"),
        "per_second" => format!("{value:.1}/s"),
        _ => format!("{value:.0}"),
    }
}

fn signed(slope: f64, unit: &str) -> String {
    let sign = if slope < 0.0 { "-" } else { "+" };
    format!("{sign}{}", value(slope.abs(), unit))
}

/// The series in 30 characters.
fn spark(points: &[Point], min: f64, max: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let range = max - min;
    let step = points.len().div_ceil(30).max(1);
    let bar = |point: &Point| {
        let share = if range > 0.0 {
            (point.value - min) / range
        } else {
            0.0
        };
        let level = BARS
            .iter()
            .zip(1_u8..)
            .find(|(_, upper)| share <= f64::from(*upper) / 8.0);
        level.map_or('█', |(bar, _)| *bar)
    };
    points.iter().step_by(step).map(bar).collect()
}

/// The newest value of one kind, where there is one.
pub async fn latest(client: &Client, instance: &str) -> Result<Vec<(String, f64)>, CliError> {
    let call = json!({ "instance": instance, "since": "1m", "points": 20 });
    let done = client.call::<Value>("query_signals", call).await?;
    let signals: Signals =
        serde_json::from_value(done.value).map_err(|error| CliError::Talk(error.to_string()))?;
    let last = |series: &SignalSeries| Some((word(&series.kind), series.shape?.last));
    Ok(signals.series.iter().filter_map(last).collect())
}
