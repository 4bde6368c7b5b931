//! The load of services that scale with it: sums over their instances, an hour of it, bounded.
//!
//! A minute is kept as it was read (of CPU as long as is asked how surprising it was), before that one sample for each
//! half minute: its peak, and the worst of how many told, so that nothing looks calmer or surer than it was. A signal of
//! a service costs at most about 4 KiB, CPU 12 KiB.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ostler_core::{
    autoscale::{Load, Sample, size},
    id::ServiceKey,
    signal::SignalKind,
    time::{Span, Time},
};

const FINE: Span = Span::seconds(60);
const COARSE_STEP: Span = Span::seconds(30);
/// An hour of half minutes, the fine ones at one every five seconds, and some.
const fn limit(fine: Span) -> usize {
    (fine.0 / 5_000) as usize + 148
}

/// Every such service's load.
#[derive(Debug, Default)]
pub struct Demand {
    services: Mutex<BTreeMap<ServiceKey, Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    replicas: Option<u32>,
    scaled_at: Option<Time>,
    signals: BTreeMap<SignalKind, VecDeque<Sample>>,
}

impl Demand {
    /// Adds a sample. One that is older than the last means that the clock jumped back: what was
    /// read before is forgotten, an order that lies helps nobody.
    pub fn record(&self, service: &ServiceKey, signal: SignalKind, sample: Sample) {
        let mut services = self.lock();
        let kept = services.entry(service.clone()).or_default();
        let samples = kept.signals.entry(signal).or_default();
        if samples.back().is_some_and(|last| sample.at < last.at) {
            samples.clear();
        }
        samples.push_back(sample);
        let fine = match signal {
            SignalKind::CpuCores => size::PAST,
            _ => FINE,
        };
        coarsen(samples, sample.at, fine);
    }

    /// Notes the wanted number of instances; another one than before is a change made just now.
    pub fn wanted(&self, service: &ServiceKey, replicas: u32, now: Time) {
        let mut services = self.lock();
        let kept = services.entry(service.clone()).or_default();
        if kept.replicas.is_some_and(|before| before != replicas) {
            kept.scaled_at = Some(now);
        }
        kept.replicas = Some(replicas);
    }

    /// Everything known, of the services that are kept; forgets all others.
    pub fn loads(&self, keep: impl Fn(&ServiceKey) -> bool) -> BTreeMap<ServiceKey, Load> {
        let mut services = self.lock();
        services.retain(|service, _| keep(service));
        let load = |kept: &Kept| Load {
            scaled_at: kept.scaled_at,
            signals: kept
                .signals
                .iter()
                .map(|(signal, samples)| (*signal, samples.iter().copied().collect()))
                .collect(),
        };
        services
            .iter()
            .map(|(service, kept)| (service.clone(), load(kept)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServiceKey, Kept>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins samples that are older than is kept fine and of the same half minute.
fn coarsen(samples: &mut VecDeque<Sample>, now: Time, fine: Span) {
    let slot = |sample: &Sample| sample.at.0 / COARSE_STEP.0;
    let old = samples
        .iter()
        .take_while(|sample| now.since(sample.at) > fine)
        .count();
    let Some(last) = old.checked_sub(1) else {
        return;
    };
    let pair = last
        .checked_sub(1)
        .and_then(|before| Some((*samples.get(before)?, *samples.get(last)?)));
    if let Some((before, after)) = pair
        && slot(&before) == slot(&after)
        && let Some(into) = samples.get_mut(last)
    {
        *into = worst(before, after);
        samples.remove(last - 1);
    }
    while samples.len() > limit(fine) {
        samples.pop_front();
    }
}

/// The higher load, and the larger share that did not tell. What is not a number stays so.
fn worst(before: Sample, after: Sample) -> Sample {
    let silent = |sample: &Sample| sample.expected.saturating_sub(sample.reporting);
    let told = if silent(&before) > silent(&after) {
        before
    } else {
        after
    };
    Sample {
        at: after.at,
        total: before.total.max(after.total),
        ..told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> ServiceKey {
        "default/shop".parse().unwrap()
    }

    fn sample(second: u64, total: f64, reporting: u32) -> Sample {
        Sample {
            at: Time(second * 1_000),
            total,
            reporting,
            expected: 3,
        }
    }

    fn kept(demand: &Demand) -> Vec<Sample> {
        let mut loads = demand.loads(|_| true);
        let mut load = loads.remove(&service()).unwrap();
        load.signals.remove(&SignalKind::RequestRate).unwrap()
    }

    #[test]
    fn an_hour_is_bounded_and_keeps_its_peaks_and_its_holes() {
        let demand = Demand::default();
        for second in (0..7_200).step_by(5) {
            let (total, told) = match second {
                5_005 => (900.0, 3),
                5_105 => (10.0, 2),
                _ => (10.0, 3),
            };
            demand.record(
                &service(),
                SignalKind::RequestRate,
                sample(second, total, told),
            );
        }
        let all = kept(&demand);
        assert!(all.len() <= limit(FINE), "{}", all.len());
        assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at));
        assert!(all.last().unwrap().at.since(all[0].at) >= Span::minutes(60));
        let gaps = all.windows(2).map(|pair| pair[1].at.since(pair[0].at));
        assert!(gaps.max().unwrap() <= Span::seconds(35));
        assert_eq!(all.iter().filter(|sample| sample.total == 900.0).count(), 1);
        assert_eq!(all.iter().filter(|sample| sample.reporting == 2).count(), 1);
        let fine = all.iter().rev().take(12);
        assert!(
            fine.clone().all(|sample| sample.at >= Time(7_135_000)),
            "{fine:?}"
        );
    }

    #[test]
    fn cpu_is_kept_fine_for_as_long_as_it_is_asked_how_surprising_it_was() {
        let demand = Demand::default();
        for second in (0..7_200).step_by(5) {
            demand.record(&service(), SignalKind::CpuCores, sample(second, 1.0, 3));
        }
        let loads = demand.loads(|_| true);
        let all = &loads[&service()].signals[&SignalKind::CpuCores];
        let since = Time(7_195_000) - size::PAST;
        let fine = all.iter().filter(|sample| sample.at >= since).count();
        assert_eq!(fine, 241);
        assert!(all.len() <= limit(size::PAST) && all.len() > fine + 70);
    }

    #[test]
    fn only_another_number_is_a_change_and_the_first_is_none() {
        let demand = Demand::default();
        demand.wanted(&service(), 3, Time(1));
        demand.wanted(&service(), 3, Time(2));
        let scaled = || demand.loads(|_| true)[&service()].scaled_at;
        assert_eq!(scaled(), None);
        demand.wanted(&service(), 4, Time(3));
        demand.wanted(&service(), 4, Time(4));
        assert_eq!(scaled(), Some(Time(3)));
    }

    #[test]
    fn a_clock_that_jumped_back_forgets_what_was_read_before() {
        let demand = Demand::default();
        demand.record(&service(), SignalKind::RequestRate, sample(9_000, 1.0, 3));
        demand.record(&service(), SignalKind::RequestRate, sample(10, 2.0, 3));
        assert_eq!(kept(&demand).len(), 1);
    }

    #[test]
    fn services_that_are_gone_are_forgotten() {
        let demand = Demand::default();
        demand.wanted(&service(), 3, Time(1));
        assert!(demand.loads(|_| false).is_empty());
        assert!(demand.loads(|_| true).is_empty());
    }
}
