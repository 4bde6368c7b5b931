//! Which share of a service's traffic each version is meant to get. Pure; who gets any at all is
//! what the routes say. Today the shares follow from the numbers of instances; whatever can weigh
//! traffic is fed from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Generation, InstanceId, ServiceKey},
    intent::{Intent, Service},
    observed::Observed,
    spec::Likeness,
};

/// All of a service's traffic, in parts.
pub const WHOLE: u32 = 10_000;

/// One version's part in a service's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The generation: the current one for whatever is made as it makes instances or can become so.
    pub generation: Generation,
    /// Its share, of [`WHOLE`]; those of one service add up to that.
    pub weight: u32,
    /// Who shares it evenly.
    pub instances: Vec<InstanceId>,
}

/// The shares of every service that somebody takes traffic for.
#[must_use]
pub fn traffic(intent: &Intent, observed: &Observed) -> BTreeMap<ServiceKey, Vec<Version>> {
    let of = |(key, service): (&ServiceKey, &Service)| {
        let versions = of_service(key, service, observed);
        (!versions.is_empty()).then(|| (key.clone(), versions))
    };
    intent.services.iter().filter_map(of).collect()
}

/// The shares of one service, the current generation's first.
#[must_use]
pub fn of_service(key: &ServiceKey, service: &Service, observed: &Observed) -> Vec<Version> {
    let mut by_version: BTreeMap<Generation, Vec<InstanceId>> = BTreeMap::new();
    for id in observed.routes.get(key).into_iter().flatten() {
        let Some(seen) = observed.instances.get(id) else {
            continue;
        };
        let version = version(service, seen.generation);
        by_version.entry(version).or_default().push(id.clone());
    }
    let new = by_version.remove(&service.generation).unwrap_or_default();
    let part = new_part(service, new.len(), by_version.values().map(Vec::len).sum());
    let mut versions = Vec::new();
    if !new.is_empty() {
        versions.push((service.generation, new));
    }
    let news = versions.len();
    versions.extend(by_version.into_iter().rev());
    weigh(versions, news, part)
}

/// The version that a generation counts as: the current one for whatever can become so where it is, the
/// last good one for whatever is made as that.
pub(crate) fn version(service: &Service, generation: Generation) -> Generation {
    let Some(own) = service.spec_of(generation) else {
        return generation;
    };
    if own.likeness(&service.spec) != Likeness::Other {
        return service.generation;
    }
    let stable = service.stable.as_ref();
    let same = stable.filter(|stable| stable.spec.makes_same(own));
    same.map_or(generation, |stable| stable.generation)
}

/// The new generation's part. A canary gets its step's weight as far as its instances are there: few
/// never carry what is meant for many.
fn new_part(service: &Service, new: usize, others: usize) -> u32 {
    let (new, others) = (count(new), count(others));
    if new == 0 {
        return 0;
    }
    if others == 0 {
        return WHOLE;
    }
    let Some(step) = service.canary_step(service.stage()) else {
        return part_of(new, new.saturating_add(others), WHOLE);
    };
    let meant = u32::from(step.weight().0).saturating_mul(WHOLE / 100);
    let there = service.parts().new.max(1);
    part_of(new.min(there), there, meant)
}

/// Gives the first `news` versions their part, the others what is left, by their instances.
fn weigh(versions: Vec<(Generation, Vec<InstanceId>)>, news: usize, part: u32) -> Vec<Version> {
    let others: u32 = versions
        .iter()
        .skip(news)
        .map(|(_, ids)| count(ids.len()))
        .sum();
    let rest = WHOLE.saturating_sub(part);
    let mut passed = 0;
    let share = |(index, (generation, instances)): (usize, (Generation, Vec<InstanceId>))| {
        let weight = if index < news {
            part
        } else {
            let before = part_of(passed, others, rest);
            passed = passed.saturating_add(count(instances.len()));
            part_of(passed, others, rest).saturating_sub(before)
        };
        Version {
            generation,
            weight,
            instances,
        }
    };
    versions.into_iter().enumerate().map(share).collect()
}

fn part_of(some: u32, all: u32, whole: u32) -> u32 {
    let part = u64::from(some) * u64::from(whole) / u64::from(all.max(1));
    u32::try_from(part).unwrap_or(whole)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
