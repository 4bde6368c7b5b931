//! From growing counters to rates: remembers the last reading of each instance.

use std::collections::BTreeMap;

use ostler_core::{
    id::{InstanceId, ServiceKey},
    signal::{SignalKind, Subject},
    time::{Span, Time},
};

use crate::{history::History, scrape::Counters};

/// One reading of an instance's cgroup. Counters only grow within one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// CPU time used, in microseconds.
    pub cpu_us: u64,
    /// Periods throttled, and periods in all.
    pub throttled: Option<(u64, u64)>,
    /// Memory in use, in bytes.
    pub memory: u64,
    /// The memory limit, in bytes.
    pub memory_limit: Option<u64>,
    /// PSI `some` shares for CPU, memory, I/O.
    pub pressure: Option<[f64; 3]>,
    /// Fullest volume, share in use.
    pub volume_share: Option<f64>,
}

/// Readings older than this are no base for a rate.
const STALE: Span = Span::seconds(60);

/// The last reading of each instance.
#[derive(Debug, Default)]
pub struct Rates {
    usage: BTreeMap<InstanceId, (Time, Reading)>,
    requests: BTreeMap<InstanceId, (Time, Counters)>,
}

impl Rates {
    /// Records what a cgroup reading tells.
    #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
    pub fn usage(&mut self, history: &History, instance: &InstanceId, at: Time, now: Reading) {
        let subject = Subject::Instance(instance.clone());
        let record = |kind, value: f64| history.record(&subject, kind, at, value);
        record(SignalKind::MemoryBytes, now.memory as f64);
        if let Some(limit) = now.memory_limit.filter(|limit| *limit > 0) {
            record(SignalKind::MemoryShare, now.memory as f64 / limit as f64);
        }
        if let Some(share) = now.volume_share {
            record(SignalKind::DiskShare, share);
        }
        if let Some([cpu, memory, io]) = now.pressure {
            record(SignalKind::CpuPressure, cpu);
            record(SignalKind::MemoryPressure, memory);
            record(SignalKind::IoPressure, io);
        }
        let before = self.usage.insert(instance.clone(), (at, now));
        let Some((since, before)) = before.filter(|(then, _)| fresh(*then, at)) else {
            return;
        };
        if let Some(used) = now.cpu_us.checked_sub(before.cpu_us) {
            record(
                SignalKind::CpuCores,
                used as f64 / 1e6 / at.since(since).as_secs_f64(),
            );
        }
        if let (Some((throttled, periods)), Some((throttled_before, periods_before))) =
            (now.throttled, before.throttled)
            && let (Some(throttled), Some(periods)) = (
                throttled.checked_sub(throttled_before),
                periods.checked_sub(periods_before),
            )
            && periods > 0
        {
            record(SignalKind::CpuThrottled, throttled as f64 / periods as f64);
        }
    }

    /// What an instance served since its last scrape, with the time that took.
    pub fn requests(
        &mut self,
        instance: &InstanceId,
        at: Time,
        now: Counters,
    ) -> Option<(Counters, Span)> {
        let before = self.requests.insert(instance.clone(), (at, now.clone()))?;
        let (then, before) = before;
        fresh(then, at).then(|| now.since(&before).map(|delta| (delta, at.since(then))))?
    }

    /// Forgets instances that are gone.
    pub fn retain(&mut self, keep: impl Fn(&InstanceId) -> bool) {
        self.usage.retain(|instance, _| keep(instance));
        self.requests.retain(|instance, _| keep(instance));
    }
}

fn fresh(then: Time, now: Time) -> bool {
    now > then && now.since(then) <= STALE
}

/// Records a service's golden signals from what its instances served together.
pub fn record_service(
    history: &History,
    service: &ServiceKey,
    at: Time,
    served: &Counters,
    over: Span,
) {
    record_requests(
        history,
        &Subject::Service(service.clone()),
        at,
        served,
        over,
    );
}

/// Records golden signals of one subject. No requests means no ratio and no latency, not zero.
pub fn record_requests(
    history: &History,
    subject: &Subject,
    at: Time,
    served: &Counters,
    over: Span,
) {
    if over.0 == 0 {
        return;
    }
    history.record(
        subject,
        SignalKind::RequestRate,
        at,
        served.requests / over.as_secs_f64(),
    );
    if let Some(depth) = served.queue {
        history.record(subject, SignalKind::QueueDepth, at, depth);
    }
    if served.requests > 0.0 {
        history.record(
            subject,
            SignalKind::ErrorRatio,
            at,
            served.errors / served.requests,
        );
    }
    for (kind, quantile) in [
        (SignalKind::LatencyP50, 0.5),
        (SignalKind::LatencyP99, 0.99),
    ] {
        if let Some(seconds) = served.quantile(quantile) {
            history.record(subject, kind, at, seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_need_two_readings_and_survive_a_reset() {
        let (history, mut rates) = (History::default(), Rates::default());
        let instance: InstanceId = "shop-1".parse().unwrap();
        let subject = Subject::Instance(instance.clone());
        let reading = |cpu_us| Reading {
            cpu_us,
            memory: 50,
            memory_limit: Some(100),
            ..Reading::default()
        };
        rates.usage(&history, &instance, Time(10_000), reading(1_000_000));
        assert!(history.last(&subject, SignalKind::CpuCores).is_none());
        assert_eq!(
            history
                .last(&subject, SignalKind::MemoryShare)
                .unwrap()
                .value,
            0.5
        );
        rates.usage(&history, &instance, Time(12_000), reading(2_000_000));
        assert_eq!(
            history.last(&subject, SignalKind::CpuCores).unwrap().value,
            0.5
        );
        rates.usage(&history, &instance, Time(14_000), reading(10));
        assert_eq!(
            history.last(&subject, SignalKind::CpuCores).unwrap().at,
            Time(12_000),
            "a reset gives no rate"
        );
    }

    #[test]
    fn silence_is_not_success() {
        let history = History::default();
        let service: ServiceKey = "shop".parse().unwrap();
        record_service(
            &history,
            &service,
            Time(1_000),
            &Counters::default(),
            Span::seconds(5),
        );
        let subject = Subject::Service(service);
        assert_eq!(
            history
                .last(&subject, SignalKind::RequestRate)
                .unwrap()
                .value,
            0.0
        );
        assert!(history.last(&subject, SignalKind::ErrorRatio).is_none());
    }
}
