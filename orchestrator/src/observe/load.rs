//! The load of services that scale with it, summed over their instances from what was just read.

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
