//! From signals as they are read to what is thought with: readings, how a service stands, what it used.

use ostler_agents_kit::{load::Load, situation::points};
use ostler_capacity::{
    fit::{Given, Used},
    plan::Standing,
    reading::Reading,
};
use ostler_core::{
    signal::{Point, SignalKind},
    spec::ServiceSpec,
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};
use ostler_tools::answer::{ServiceDetail, Signals};

/// Readings fall on this grid, so that those of different services are of the same moment.
pub(super) const GRID: Span = Span::seconds(10);
/// A value this far from a moment still speaks of it.
const NEAR: Span = Span::seconds(10);
/// Over this long it is looked whether CPU is held back.
const HALF_AN_HOUR: Span = Span::minutes(30);
/// Caches of an instance that is younger are cold.
const YOUNG: Span = Span::minutes(1);

/// CPUs that each instance was given: what it may use, or what it reserves. Nothing where neither is said: how
/// busy it is cannot be told then.
pub(super) fn cores(spec: &ServiceSpec) -> Option<f64> {
    let resources = &spec.resources;
    let cpu = resources.limits.cpu.or(resources.requests.cpu)?;
    Some(cpu.as_cores()).filter(|cores| *cores > 0.0)
}

/// Readings that were not taken in yet, oldest first.
pub(super) fn readings(
    detail: &ServiceDetail,
    signals: &Signals,
    after: Option<Time>,
) -> Vec<Reading> {
    let Some(cores) = cores(&detail.spec) else {
        return Vec::new();
    };
    let running = detail.summary.running.max(1);
    let at_value = |kind, at| nearest(points(signals, kind), at);
    let mut readings: Vec<Reading> = Vec::new();
    for rate in points(signals, SignalKind::RequestRate) {
        let at = Time(rate.at.0 / GRID.0 * GRID.0);
        let known = after.is_some_and(|after| at <= after);
        let again = readings.last().is_some_and(|last| last.at == at);
        let Some(used) = at_value(SignalKind::CpuCores, rate.at).filter(|_| !known && !again)
        else {
            continue;
        };
        readings.push(Reading {
            at,
            rate: rate.value,
            served: rate.value,
            used,
            // The median stands in for the mean, which nobody measures.
            mean_s: at_value(SignalKind::LatencyP50, rate.at).unwrap_or(0.0),
            p99_s: at_value(SignalKind::LatencyP99, rate.at).unwrap_or(0.0),
            waiting: at_value(SignalKind::QueueDepth, rate.at).unwrap_or(0.0),
            reporting: running,
            expected: running,
            cores,
        });
    }
    readings
}

fn nearest(points: &[Point], at: Time) -> Option<f64> {
    let away = |point: &&Point| point.at.0.abs_diff(at.0);
    let nearest = points.iter().min_by_key(away)?;
    (away(&nearest) <= NEAR.0).then_some(nearest.value)
}

/// How a service stands; nothing where its CPU follows the load: what an instance carries then is the core's.
pub(super) fn standing(load: &Load, now: Time) -> Option<Standing> {
    let detail = &load.detail.value;
    if detail.spec.follows_cpu() {
        return None;
    }
    let young = |since: Time| now.since(since) < YOUNG;
    let instances = detail.instances.iter();
    let young = instances.filter(|one| one.ready && one.seen.started_at.is_some_and(young));
    let bounds = detail.spec.replicas;
    Some(Standing {
        name: detail.summary.service.to_string(),
        wanted: detail.summary.wanted,
        ready: detail.summary.ready,
        young: u32::try_from(young.count()).unwrap_or(u32::MAX),
        cores: cores(&detail.spec)?,
        bounds: (bounds.min, bounds.max),
    })
}

/// What an instance was given.
pub(super) fn given(spec: &ServiceSpec) -> Given {
    let resources = &spec.resources;
    let bytes = |memory: Bytes| memory.0 as f64;
    Given {
        cpu_request: resources.requests.cpu.map(MilliCpu::as_cores),
        cpu_limit: resources.limits.cpu.map(MilliCpu::as_cores),
        memory_request: resources.requests.memory.map(bytes),
        memory_limit: resources.limits.memory.map(bytes),
    }
}

/// What instances used over the last day, and lately. CPU of one instance is known only where their number
/// does not follow the load.
pub(super) fn used(load: &Load) -> Used {
    let detail = &load.detail.value;
    let running = f64::from(detail.summary.running.max(1));
    let steady = detail.spec.replicas.min == detail.spec.replicas.max;
    let series = |kind| values(&load.day.value, &load.signals.value, kind);
    let each = |(at, cores): (Time, f64)| (at, cores / running);
    Used {
        cores: match steady {
            true => series(SignalKind::CpuCores).into_iter().map(each).collect(),
            false => Vec::new(),
        },
        throttled: newest(series(SignalKind::CpuThrottled), HALF_AN_HOUR),
        memory: series(SignalKind::MemoryBytes),
    }
}

/// A day of values, and the newest ones.
fn values(day: &Signals, newest: &Signals, kind: SignalKind) -> Vec<(Time, f64)> {
    let mut all = lately(day, kind);
    let last = all.last().map(|(at, _)| *at);
    let newer = |(at, _): &(Time, f64)| last.is_none_or(|last| *at > last);
    all.extend(lately(newest, kind).into_iter().filter(newer));
    all
}

/// What is no older than so long before the newest.
fn newest(mut values: Vec<(Time, f64)>, span: Span) -> Vec<(Time, f64)> {
    let last = values.last().map(|(at, _)| *at);
    values.retain(|(at, _)| last.is_some_and(|last| last.since(*at) <= span));
    values
}

fn lately(signals: &Signals, kind: SignalKind) -> Vec<(Time, f64)> {
    let points = points(signals, kind).iter();
    points.map(|point| (point.at, point.value)).collect()
}
