//! What services use as a whole, and the load of those that scale with it, from what was just read of their
//! instances.

use ostler_core::{
    autoscale::Sample,
    id::{InstanceId, ServiceKey},
    observed::Phase,
    signal::{SignalKind, Subject},
    time::{Span, Time},
};

use crate::fleet::Fleet;

/// An instance that has been running for less is not expected to tell: rates need two readings.
const SETTLES: Span = Span::seconds(15);

/// Sums a signal over the running instances of every service that scales, from readings that were
/// taken at `began` or later.
pub(super) fn sum(fleet: &Fleet, signal: SignalKind, began: Time) {
    for service in collected(fleet, signal) {
        let sample = over_instances(fleet, &service, signal, began);
        if sample.reporting > 0 || sample.expected > 0 {
            fleet.demand.record(&service, signal, sample);
        }
    }
}

/// Records what each service uses as a whole: CPU of all its instances, memory of the fullest, and how much the CPU of
/// the most throttled one was held back. Where an instance did not tell, the moment is missing.
pub(super) fn whole(fleet: &Fleet, began: Time) {
    let intent = fleet.intents().borrow().clone();
    for service in intent.services.keys() {
        let subject = Subject::Service(service.clone());
        let record = |signal, value: f64| fleet.history().record(&subject, signal, began, value);
        let cpu = over_instances(fleet, service, SignalKind::CpuCores, began);
        if cpu.reporting == 0 || cpu.reporting < cpu.expected {
            continue;
        }
        record(SignalKind::CpuCores, cpu.total);
        for signal in [SignalKind::MemoryBytes, SignalKind::CpuThrottled] {
            let most = told(fleet, service, signal, began).max_by(f64::total_cmp);
            most.into_iter().for_each(|most| record(signal, most));
        }
    }
}

/// Takes over the latency of every service that scales. Where nothing was asked, nothing was slow.
pub(super) fn latency(fleet: &Fleet, began: Time) {
    for service in collected(fleet, SignalKind::LatencyP99) {
        let rate = over_instances(fleet, &service, SignalKind::RequestRate, began);
        let subject = Subject::Service(service.clone());
        let last = fleet.history().last(&subject, SignalKind::LatencyP99);
        let total = match last.filter(|point| point.at >= began) {
            Some(point) => point.value,
            None if rate.reporting > 0 && rate.total <= 0.0 => 0.0,
            None => continue,
        };
        let sample = Sample { total, ..rate };
        fleet
            .demand
            .record(&service, SignalKind::LatencyP99, sample);
    }
}

/// Services that scale and whose signal is collected here, not asked of a Prometheus.
fn collected(fleet: &Fleet, signal: SignalKind) -> Vec<ServiceKey> {
    let intent = fleet.intents().borrow().clone();
    let ours = intent.services.iter().filter(|(_, service)| {
        let scaling = service.spec.scaling.as_ref();
        scaling.is_some_and(|scaling| !scaling.queries(signal))
    });
    ours.map(|(key, _)| key.clone()).collect()
}

fn over_instances(fleet: &Fleet, service: &ServiceKey, signal: SignalKind, began: Time) -> Sample {
    let mut sample = Sample {
        at: began,
        total: 0.0,
        reporting: 0,
        expected: 0,
    };
    for (instance, since) in running(fleet, service) {
        let last = fleet.history().last(&Subject::Instance(instance), signal);
        let told = last.filter(|point| point.at >= began);
        if let Some(point) = told {
            sample.total += point.value;
            sample.reporting += 1;
        }
        if told.is_some() || began.since(since) >= SETTLES {
            sample.expected += 1;
        }
    }
    sample
}

/// What instances told of a signal since then.
fn told(
    fleet: &Fleet,
    service: &ServiceKey,
    signal: SignalKind,
    began: Time,
) -> impl Iterator<Item = f64> {
    let instances = running(fleet, service).into_iter();
    instances.filter_map(move |(instance, _)| {
        let last = fleet.history().last(&Subject::Instance(instance), signal)?;
        (last.at >= began).then_some(last.value)
    })
}

/// Running instances, and since when.
fn running(fleet: &Fleet, service: &ServiceKey) -> Vec<(InstanceId, Time)> {
    fleet.read(|table| {
        let instances = table.observed.instances.iter();
        let theirs =
            instances.filter(|(_, seen)| seen.service == *service && seen.phase == Phase::Running);
        theirs
            .map(|(id, seen)| (id.clone(), seen.started_at.unwrap_or(seen.since)))
            .collect()
    })
}
