//! Needs gate placing: nothing new is placed until what it needs is there. Losing a need later
//! stops nothing.

use std::collections::{HashMap, HashSet};

use super::{exit::Verdict, exit::judge, group::Members};
use crate::{
    graph,
    id::ServiceKey,
    intent::{Intent, Service},
    observed::{InstanceSeen, Phase},
    spec::Until,
    time::Time,
};

/// How far a service got, for those that need it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    started: bool,
    healthy: bool,
}

/// How far each service got. One that finished its work counts as started and healthy.
pub(super) fn standing<'a>(
    intent: &'a Intent,
    members: &HashMap<&'a ServiceKey, Members<'a>>,
    now: Time,
) -> HashMap<&'a ServiceKey, Standing> {
    let mut all: HashMap<&ServiceKey, Standing> = HashMap::new();
    for (key, members) in members {
        let Some(service) = intent.services.get(*key) else {
            continue;
        };
        let standing = all.entry(*key).or_default();
        for (_, seen) in members {
            add(standing, service, seen, now);
            if standing.healthy {
                break;
            }
        }
    }
    all
}

fn add(standing: &mut Standing, service: &Service, seen: &InstanceSeen, now: Time) {
    let spec = service.spec_of(seen.generation).unwrap_or(&service.spec);
    let done = seen.phase == Phase::Ended
        && seen
            .exits
            .last()
            .is_some_and(crate::observed::Exit::is_success)
        && judge(seen, &spec.restart, now) == Verdict::Finished;
    standing.started |= done || seen.phase == Phase::Running;
    standing.healthy |= done || seen.is_ready(&spec.probes);
}

/// Needs that were changed together with a service and are not done with that: they come first.
pub(super) fn earlier(
    key: &ServiceKey,
    intent: &Intent,
    rolling: &HashSet<&ServiceKey>,
) -> Vec<ServiceKey> {
    let Some(service) = intent.services.get(key).filter(|one| one.rolls_out()) else {
        return Vec::new();
    };
    let together = |need: &ServiceKey| {
        let need = intent.services.get(need);
        need.is_some_and(|need| need.changed_at == service.changed_at)
    };
    graph::needs(key, &service.spec)
        .filter(|need| rolling.contains(need) && together(need))
        .collect()
}

/// The needs of a service that are not met now.
pub(super) fn unmet(
    service_key: &ServiceKey,
    service: &Service,
    standing: &HashMap<&ServiceKey, Standing>,
) -> Vec<ServiceKey> {
    let met = |need: &ServiceKey, until: Until| {
        let standing = standing.get(need).copied().unwrap_or_default();
        match until {
            Until::Started => standing.started,
            Until::Healthy => standing.healthy,
        }
    };
    graph::needs(service_key, &service.spec)
        .zip(&service.spec.needs)
        .filter(|(key, need)| !met(key, need.until))
        .map(|(key, _)| key)
        .collect()
}
