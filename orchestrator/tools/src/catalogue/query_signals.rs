//! `query_signals`: measured signals.

use ostler_core::{
    id::{InstanceId, NodeName, ServiceKey},
    signal::{SignalKind, Subject},
    time::Span,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::{SignalSeries, Signals},
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    lookup::{self, answer},
    shape,
};

/// How far back anything is known.
const DAY: Span = Span::minutes(24 * 60);

/// See the module.
pub struct QuerySignals;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// About this service as a whole.
    pub service: Option<ServiceKey>,
    /// About this instance.
    pub instance: Option<InstanceId>,
    /// About this node.
    pub node: Option<NodeName>,
    /// Only these kinds; all that are known when absent.
    pub kinds: Option<Vec<SignalKind>>,
    /// The last so long, such as `15m`, which is the default; `24h` at most.
    pub since: Option<Span>,
    /// At most so many points a series, 2 to 500; 60 when absent.
    pub points: Option<u32>,
}

impl Describe for QuerySignals {
    type Args = Args;
    type Answer = Signals;
    const NAME: &'static str = "query_signals";
    const TITLE: &'static str = "Measured signals";
    const DESCRIPTION: &'static str = "Reads measured signals of one service, instance or node over the last so long: values with \
        times, and each series' shape (first, last, min, max, mean, least-squares slope a minute \
        with its fit from 0 to 1, gaps). Kinds and units: cpu_cores (cores), memory_bytes (bytes), \
        memory_share of the limit, cpu_throttled, error_ratio, disk_share and the three pressures \
        (shares from 0 to 1), restarts (count), probe_seconds, latency_p50, latency_p99 (seconds), \
        probe_passed (0 or 1), request_rate (per second), queue_depth (waiting). Of a service, cpu_cores is \
        the sum over its instances, memory_bytes the fullest one, cpu_throttled the most throttled one. A missing moment is missing, never zero. \
        An hour is kept of instances, a day of services and nodes, in memory, \
        further back in fewer points (of memory_bytes the highest of each stretch, of others the last). A steadily positive slope of memory_bytes with a good fit \
        suggests a leak.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let points = args.points.unwrap_or(60);
        if !(2..=500).contains(&points) {
            return Err(Refusal::new(format!("`points` is {points}; give 2 to 500")));
        }
        let since = args.since.unwrap_or(Span::minutes(15));
        if since == Span(0) || since > DAY {
            return Err(Refusal::new(format!(
                "`since` is {since}; give a span above zero, `24h` at most"
            )));
        }
        let (subject, about) = subject(view, &args)?;
        let (from, to) = (view.now - since, view.now);
        let known = view.signals.kinds(&subject);
        let read = |kind: SignalKind| {
            let count = usize::try_from(points).unwrap_or(60);
            let series = view.signals.series(&subject, kind, from, to, count);
            SignalSeries {
                kind,
                unit: unit(kind).to_owned(),
                shape: shape::of(&series.points),
                points: series.points,
            }
        };
        let series = args
            .kinds
            .unwrap_or_else(|| known.clone())
            .into_iter()
            .map(read)
            .collect();
        answer(
            &Signals {
                subject,
                from,
                to,
                series,
                known,
            },
            about,
        )
    }
}

fn subject(view: &View<'_>, args: &Args) -> Result<(Subject, About), Refusal> {
    match (&args.service, &args.instance, &args.node) {
        (Some(key), None, None) => {
            lookup::service(view, key)?;
            Ok((Subject::Service(key.clone()), About::service(key)))
        }
        (None, Some(id), None) => {
            let seen = lookup::instance(view, id)?;
            Ok((Subject::Instance(id.clone()), About::service(&seen.service)))
        }
        (None, None, Some(name)) => {
            lookup::node(view, name)?;
            Ok((Subject::Node(name.clone()), About::fleet()))
        }
        _ => Err(Refusal::new(
            "give exactly one of `service`, `instance` and `node`",
        )),
    }
}

/// The unit of a kind's values.
const fn unit(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::CpuCores => "cores",
        SignalKind::MemoryBytes => "bytes",
        SignalKind::Restarts => "count",
        SignalKind::ProbeSeconds | SignalKind::LatencyP50 | SignalKind::LatencyP99 => "seconds",
        SignalKind::RequestRate => "per_second",
        SignalKind::CpuThrottled
        | SignalKind::MemoryShare
        | SignalKind::CpuPressure
        | SignalKind::MemoryPressure
        | SignalKind::IoPressure
        | SignalKind::ProbePassed
        | SignalKind::ErrorRatio
        | SignalKind::DiskShare => "share",
        SignalKind::QueueDepth => "waiting",
    }
}
