//! From counters that only grow to counts since a rollout's stage began: for whoever counts requests by
//! version, such as a proxy. Pure; held in memory by the caller. What is lost with it begins anew.

use std::collections::BTreeMap;

use super::{Counts, Histogram, Measured, Spread};
use crate::{
    id::{Generation, ServiceKey},
    intent::{Intent, Service},
    time::Time,
};

/// Counters by service and generation, as they stand at one moment. A service whose traffic is measured
/// is there also while nothing was counted.
pub type Counters = BTreeMap<ServiceKey, BTreeMap<Generation, Counts>>;

/// How counters stood when stages began.
#[derive(Debug, Clone, Default)]
pub struct Beginnings(BTreeMap<ServiceKey, Measured>);

impl Beginnings {
    /// What was counted since the stages began that services stand in; stages that are new to it begin now,
    /// as do those whose counters went back.
    pub fn since(
        &mut self,
        intent: &Intent,
        counters: &Counters,
        now: Time,
    ) -> BTreeMap<ServiceKey, Measured> {
        self.0.retain(|key, _| counters.contains_key(key));
        let of = |(key, stand): (&ServiceKey, &BTreeMap<Generation, Counts>)| {
            let service = intent.services.get(key)?;
            Some((key.clone(), self.of_service(key, service, stand, now)))
        };
        counters.iter().filter_map(of).collect()
    }

    fn of_service(
        &mut self,
        key: &ServiceKey,
        service: &Service,
        stand: &BTreeMap<Generation, Counts>,
        now: Time,
    ) -> Measured {
        let (generation, stage) = (service.generation, service.stage());
        let known = self.0.get(key);
        let known = known.filter(|one| (one.generation, one.stage) == (generation, stage));
        if let Some(versions) = known.and_then(|begun| difference(stand, &begun.versions)) {
            return Measured {
                versions,
                ..known.cloned().unwrap_or_else(|| begin(service, now))
            };
        }
        let begun = Measured {
            versions: stand.clone(),
            ..begin(service, now)
        };
        self.0.insert(key.clone(), begun);
        begin(service, now)
    }
}

/// Nothing counted yet.
fn begin(service: &Service, now: Time) -> Measured {
    Measured {
        generation: service.generation,
        stage: service.stage(),
        since: now,
        versions: BTreeMap::new(),
    }
}

/// What came since; `None` where a counter went back.
fn difference(
    stand: &BTreeMap<Generation, Counts>,
    begun: &BTreeMap<Generation, Counts>,
) -> Option<BTreeMap<Generation, Counts>> {
    let none = Counts::default();
    let of = |(generation, counts): (&Generation, &Counts)| {
        let before = begun.get(generation).unwrap_or(&none);
        Some((*generation, counts.since(before)?))
    };
    stand.iter().map(of).collect()
}

impl Counts {
    fn since(&self, before: &Self) -> Option<Self> {
        let new_errors = match (self.new_errors, before.new_errors) {
            (Some(now), before) => Some(now.checked_sub(before.unwrap_or(0))?),
            (None, _) => None,
        };
        let cpu = match (self.cpu, before.cpu) {
            (Some(now), Some(before)) => Some(now.since(&before)?),
            (now, _) => now,
        };
        Some(Self {
            requests: self.requests.checked_sub(before.requests)?,
            errors: self.errors.checked_sub(before.errors)?,
            latency: self.latency.since(&before.latency)?,
            cpu,
            new_errors,
            ..Self::default()
        })
    }
}

impl Histogram {
    fn since(&self, before: &Self) -> Option<Self> {
        let of = |(bound, count): (&u64, &u64)| {
            let before = before.0.get(bound).copied().unwrap_or(0);
            Some((*bound, count.checked_sub(before)?))
        };
        let counts: Option<BTreeMap<u64, u64>> = self.0.iter().map(of).collect();
        counts.map(Self)
    }
}

impl Spread {
    fn since(&self, before: &Self) -> Option<Self> {
        Some(Self {
            stretches: self.stretches.checked_sub(before.stretches)?,
            sum: (self.sum - before.sum).max(0.0),
            squares: (self.squares - before.squares).max(0.0),
        })
    }
}
