//! Traffic in the simulated world, as a proxy would count it by version: requests go to whoever the routes
//! and the weights say, and fail or are slow as often as that program does. Only services that were given
//! traffic are measured.

use std::collections::BTreeMap;

use super::world::World;
use crate::{
    analysis::{Beginnings, Counters, Measured},
    id::{Generation, ServiceKey},
    intent::{Intent, Service},
    rollout::Stage,
    time::{Span, Time},
    traffic::{self, Version, WHOLE},
};

/// Where the simulated histogram ends its buckets, in microseconds; slow requests end up in the last, and none in the
/// one between.
const QUICK: u64 = 50_000;
const BETWEEN: u64 = 100_000;
const SLOW: u64 = 500_000;

/// How a program answers requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quality {
    /// Requests of a thousand that fail.
    pub errors: u64,
    /// Requests of a thousand that are slow.
    pub slow: u64,
}

/// What counts requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    /// Requests a minute.
    rates: BTreeMap<ServiceKey, u64>,
    /// By image.
    qualities: BTreeMap<String, Quality>,
    counters: Counters,
    beginnings: Beginnings,
    counted: BTreeMap<ServiceKey, Measured>,
}

impl Meter {
    /// What was counted; of a service that has traffic, always something.
    pub fn counts(&self) -> BTreeMap<ServiceKey, Measured> {
        let none = || Measured {
            generation: Generation(0),
            stage: Stage::Rolling,
            since: Time(0),
            versions: BTreeMap::new(),
            before: None,
        };
        let of = |key: &ServiceKey| self.counted.get(key).cloned().unwrap_or_else(none);
        self.rates
            .keys()
            .map(|key| (key.clone(), of(key)))
            .collect()
    }

    /// Whoever counted was started anew, and kept nothing.
    pub fn forget(&mut self) {
        self.counted.clear();
        self.counters.clear();
        self.beginnings = Beginnings::default();
    }

    /// Looks at the counters, as the daemon does.
    fn look(&mut self, intent: &Intent, now: Time) {
        for key in self.rates.keys() {
            self.counters.entry(key.clone()).or_default();
        }
        self.counted = self.beginnings.since(intent, &self.counters, now);
    }
}

impl World {
    /// Gives a service so many requests a minute from now on, which are counted by version.
    pub fn set_traffic(&mut self, service: ServiceKey, a_minute: u64) {
        self.meter.rates.insert(service, a_minute);
    }

    /// Says how every instance of an image answers requests.
    pub fn set_quality(&mut self, image: &str, quality: Quality) {
        self.meter.qualities.insert(image.to_owned(), quality);
    }

    /// Requests until then, of services that roll out.
    pub(super) fn serve(&mut self, intent: &Intent, to: Time) {
        let rolls_out = |key: &ServiceKey| intent.services.get(key).is_some_and(Service::rolls_out);
        if to <= self.now || !self.meter.rates.keys().any(rolls_out) {
            return;
        }
        // What comes from now on is of the stage that stands now.
        self.meter.look(intent, self.now);
        let (span, observed) = (to.since(self.now), self.observe());
        for (key, rate) in self.meter.rates.clone() {
            let Some(service) = intent.services.get(&key).filter(|one| one.rolls_out()) else {
                continue;
            };
            let versions = traffic::of_service(&key, service, &observed);
            for _ in 0..self.come(rate, span) {
                self.ask(&key, service, &versions);
            }
        }
        self.meter.look(intent, to);
    }

    /// How many requests come in a while; parts of one by chance.
    fn come(&mut self, a_minute: u64, span: Span) -> u64 {
        let parts = a_minute.saturating_mul(span.0);
        parts / 60_000 + u64::from(self.dice.below(60_000) < parts % 60_000)
    }

    /// One request, to one of the versions by their weights.
    fn ask(&mut self, key: &ServiceKey, service: &Service, versions: &[Version]) {
        let mut place = self.dice.below(u64::from(WHOLE));
        let taken = versions.iter().find(|version| {
            let weight = u64::from(version.weight);
            let here = place < weight;
            place = place.saturating_sub(weight);
            here
        });
        let Some(generation) = taken.map(|version| version.generation) else {
            return;
        };
        let image = service.spec_of(generation).map(|spec| &spec.image);
        let quality = image.and_then(|image| self.meter.qualities.get(image));
        let quality = quality.copied().unwrap_or_default();
        let failed = self.dice.chance(quality.errors);
        let slow = self.dice.chance(quality.slow);
        let counted = self.meter.counters.entry(key.clone()).or_default();
        let counts = counted.entry(generation).or_default();
        counts.requests += 1;
        counts.errors += u64::from(failed);
        let bound = if slow { SLOW } else { QUICK };
        counts.latency.0.entry(BETWEEN).or_default();
        *counts.latency.0.entry(bound).or_default() += 1;
    }
}
