//! How a bundle's world answers a change that helps, and who takes traffic in it.

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::{
    id::{InstanceId, ServiceKey},
    observed::{InstanceSeen, Phase},
    time::Time,
};

use crate::{build::health, world::World};

impl World {
    /// How the fleet answers a change that helps: as many instances as wanted, of the current
    /// generation, run and are ready; signals of before are gone.
    pub fn heal(&mut self, service: &ServiceKey, now: Time) {
        let Some(wanted) = self.intent.services.get(service) else {
            return;
        };
        let (generation, spec) = (wanted.generation, Arc::clone(&wanted.spec));
        let mut left = wanted.replicas;
        self.bundle.signals.clear();
        self.observed.instances.retain(|_, seen| {
            let keep = &seen.service != service || left > 0;
            left = left.saturating_sub(u32::from(&seen.service == service));
            keep
        });
        for seen in self
            .observed
            .instances
            .values_mut()
            .filter(|seen| &seen.service == service)
        {
            seen.generation = generation;
            seen.phase = Phase::Running;
            (seen.since, seen.started_at, seen.pid) = (now, Some(now), Some(1));
            seen.exits.clear();
            seen.health = health(&spec, None, now);
        }
        self.route();
    }

    pub(crate) fn route(&mut self) {
        let intent = &self.intent;
        let ready = |seen: &InstanceSeen| {
            intent
                .spec_of(&seen.service, seen.generation)
                .is_some_and(|spec| seen.is_ready(&spec.probes))
        };
        let mut routes: BTreeMap<ServiceKey, Vec<InstanceId>> = BTreeMap::new();
        for (id, seen) in self
            .observed
            .instances
            .iter()
            .filter(|(_, seen)| ready(seen))
        {
            routes
                .entry(seen.service.clone())
                .or_default()
                .push(id.clone());
        }
        self.observed.routes = routes;
    }
}
