//! From counters that only grow to counts since a rollout's stage began: for whoever counts requests by
//! version, such as a proxy. Pure; held in memory by the caller. What is lost with it begins anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Before, Counts, Histogram, Measured, Spread, recent::Recent};
use crate::{
    id::{Generation, ServiceKey},
    intent::{Intent, Service},
    rollout::Stage,
    spec::Strategy,
    time::{Span, Time},
};

/// After it took all the traffic, a version's requests are not judged by how long they take for a tenth of the time that
/// the old one is kept, and this long at most: caches are empty, code is not compiled, connections are new.
const WARM_UP: Span = Span::seconds(30);

/// Counters by service and generation, as they stand at one moment. A service whose traffic is measured
/// is there also while nothing was counted.
pub type Counters = BTreeMap<ServiceKey, BTreeMap<Generation, Counts>>;

/// Counters of one service's versions.
pub(super) type Stand = BTreeMap<Generation, Counts>;

/// What was before a promotion, for whoever keeps it where it outlives the memory of who counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The generation that took the traffic.
    pub generation: Generation,
    /// What was counted before it did.
    pub before: Before,
}

/// How counters stood when stages began.
#[derive(Debug, Clone, Default)]
pub struct Beginnings {
    begun: BTreeMap<ServiceKey, Measured>,
    recent: Recent,
    known: BTreeMap<ServiceKey, Known>,
}

impl Beginnings {
    /// Begins anew with what was before promotions that happened already.
    #[must_use]
    pub fn knowing(known: BTreeMap<ServiceKey, Known>) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// What was before promotions whose rollouts are not over.
    #[must_use]
    pub fn known(&self) -> &BTreeMap<ServiceKey, Known> {
        &self.known
    }

    /// What was counted since the stages began that services stand in; stages that are new to it begin now,
    /// as do those whose counters went back.
    pub fn since(
        &mut self,
        intent: &Intent,
        counters: &Counters,
        now: Time,
    ) -> BTreeMap<ServiceKey, Measured> {
        self.begun.retain(|key, _| counters.contains_key(key));
        let of = |(key, stand): (&ServiceKey, &Stand)| {
            let service = intent.services.get(key)?;
            Some((key.clone(), self.of_service(key, service, stand, now)))
        };
        let measured = counters.iter().filter_map(of).collect();
        self.remember(intent, counters, now);
        measured
    }

    fn of_service(
        &mut self,
        key: &ServiceKey,
        service: &Service,
        stand: &Stand,
        now: Time,
    ) -> Measured {
        let (generation, stage) = (service.generation, service.stage());
        let is_of_now = |one: &Measured| (one.generation, one.stage) == (generation, stage);
        let known = self.begun.remove(key).filter(is_of_now);
        let mut before = known.as_ref().and_then(|begun| begun.before.clone());
        if let Some(mut begun) = known {
            warm_up(&mut begun, service, stand, now);
            if let Some(versions) = difference(stand, &begun.versions) {
                let measured = Measured {
                    versions,
                    ..begun.clone()
                };
                self.begun.insert(key.clone(), begun);
                return measured;
            }
        } else if stage == Stage::Promoted {
            before = self.before(key, service, stand, now);
        }
        let nothing = Measured {
            before,
            ..begin(service, now)
        };
        let begun = Measured {
            versions: stand.clone(),
            ..nothing.clone()
        };
        self.begun.insert(key.clone(), begun);
        nothing
    }

    /// What was before a promotion that is new to it: what it saw itself, or what it was told.
    fn before(
        &mut self,
        key: &ServiceKey,
        service: &Service,
        stand: &Stand,
        now: Time,
    ) -> Option<Before> {
        let generation = service.generation;
        let told = self.known.get(key);
        if let Some(told) = told.filter(|told| told.generation == generation) {
            return Some(told.before.clone());
        }
        let before = self.recent.before(key, stand, now)?;
        let known = Known {
            generation,
            before: before.clone(),
        };
        self.known.insert(key.clone(), known);
        Some(before)
    }

    /// Remembers the last minutes of what may be promoted, and what was before promotions while that matters.
    fn remember(&mut self, intent: &Intent, counters: &Counters, now: Time) {
        let at_once = |key: &ServiceKey| {
            let service = intent.services.get(key);
            service.is_some_and(comes_at_once)
        };
        self.recent.retain(at_once);
        for (key, stand) in counters.iter().filter(|(key, _)| at_once(key)) {
            self.recent.note(key, stand, now);
        }
        self.known.retain(|key, known| {
            let service = intent.services.get(key);
            service.is_some_and(|service| {
                service.generation == known.generation && service.stage() == Stage::Promoted
            })
        });
    }
}

fn comes_at_once(service: &Service) -> bool {
    matches!(service.spec.update.strategy, Strategy::BlueGreen(_))
}

/// While a version that took all the traffic warms up, how long its requests take begins anew with each look.
fn warm_up(begun: &mut Measured, service: &Service, stand: &Stand, now: Time) {
    let warms_up = Span(service.bake().0 / 10).min(WARM_UP);
    if begun.stage != Stage::Promoted || now.since(begun.since) >= warms_up {
        return;
    }
    for (generation, counts) in stand {
        let begun = begun.versions.entry(*generation).or_default();
        begun.latency.clone_from(&counts.latency);
    }
}

/// Nothing counted yet.
fn begin(service: &Service, now: Time) -> Measured {
    Measured {
        generation: service.generation,
        stage: service.stage(),
        since: now,
        versions: BTreeMap::new(),
        before: None,
    }
}

/// What came since; `None` where a counter went back.
pub(super) fn difference(stand: &Stand, begun: &Stand) -> Option<Stand> {
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
