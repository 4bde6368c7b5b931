//! `ostler tune`: how a service follows its load, for a while; and how people read what it wants.

use clap::Args;
use ostler_core::{
    autoscale::{Hold, Recommendation, Tuning, Want, size::Need},
    id::ServiceKey,
    spec::Target,
    time::Span,
};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    service::change,
    words::{clock, word},
};
use crate::clock::now;

/// Arguments of `tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// Which service; it needs `spec.scaling`
    service: ServiceKey,
    /// Requests per second that one instance should carry
    #[arg(long, value_name = "RATE")]
    request_rate: Option<f64>,
    /// CPU to hold, in percent of the request
    #[arg(long, value_name = "PERCENT")]
    cpu: Option<f64>,
    /// Requests or jobs that may wait per instance
    #[arg(long, value_name = "DEPTH")]
    queue_depth: Option<f64>,
    /// 99th percentile of latency to stay under
    #[arg(long, value_name = "SPAN")]
    latency: Option<Span>,
    /// At least so many instances from now on
    #[arg(long, value_name = "INSTANCES")]
    floor: Option<u32>,
    /// How long all of it holds; a week at most
    #[arg(long = "for", value_name = "SPAN", default_value = "1h")]
    lasts: Span,
    /// End what was tuned: the spec's own targets hold again
    #[arg(long, conflicts_with_all = ["request_rate", "cpu", "queue_depth", "latency", "floor"])]
    clear: bool,
}

/// Runs it.
pub async fn run(args: TuneArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    change(client, out, "tune_scaling", call(&args))
        .await
        .map(drop)
}

fn call(args: &TuneArgs) -> Value {
    if args.clear {
        return json!({ "service": args.service });
    }
    let targets: Vec<Target> = [
        args.request_rate
            .map(|per_instance| Target::RequestRate { per_instance }),
        args.cpu.map(|percent| Target::Cpu { percent }),
        args.queue_depth
            .map(|per_instance| Target::QueueDepth { per_instance }),
        args.latency.map(|under| Target::Latency { under }),
    ]
    .into_iter()
    .flatten()
    .collect();
    let floor = |replicas| {
        let from = now();
        json!({ "from": from, "until": from + args.lasts, "replicas": replicas })
    };
    let floors: Vec<Value> = args.floor.map(floor).into_iter().collect();
    json!({ "service": args.service, "targets": targets, "floors": floors, "for": args.lasts })
}

/// What the load wants, what holds that, and what is tuned; a line each.
pub fn lines(scaling: Option<&Recommendation>, tuning: Option<&Tuning>) -> Vec<String> {
    let Some(scaling) = scaling else {
        return Vec::new();
    };
    let mut lines: Vec<String> = scaling.wants.iter().map(want).collect();
    lines.extend(scaling.cpu.map(need));
    lines.extend(scaling.held.map(hold));
    if let Some(tuning) = tuning {
        lines.push(format!("tuned until {}", clock(tuning.until)));
    }
    if lines.is_empty() {
        lines.push("follows its load".to_owned());
    }
    lines
}

fn want(want: &Want) -> String {
    match want {
        Want::Target {
            signal,
            load,
            each,
            replicas,
        } => format!(
            "{}: {load:.3} in all, {each:.3} for each: wants {replicas}",
            word(signal)
        ),
        Want::Floor { until, replicas } => {
            format!("a floor of {replicas} until {}", clock(*until))
        }
    }
}

fn need(need: Need) -> String {
    let unsure = if need.sure {
        ""
    } else {
        "; none is taken away meanwhile: its last minute is not known from end to end, or instances are being replaced"
    };
    format!("needs {:.2} of CPU in all{unsure}", need.cores)
}

fn hold(hold: Hold) -> String {
    match hold {
        Hold::NoSignal => "stays: nothing is known of its load".to_owned(),
        Hold::Stale => "stays: the last reading of its load is too old".to_owned(),
        Hold::Unsure => {
            "does not shrink: not every instance told, or not for long enough".to_owned()
        }
        Hold::Cooling { until } => format!("waits until {} after the last change", clock(until)),
        Hold::Unready => {
            "does not shrink: not every instance is ready, or some are being replaced".to_owned()
        }
        Hold::NoRoom => "does not grow: no node has room".to_owned(),
        Hold::Latency => "does not shrink: latency was close to its bound".to_owned(),
        Hold::Off => "stays at zero: it was scaled there by hand".to_owned(),
    }
}
