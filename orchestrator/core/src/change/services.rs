//! Changes of services and secrets, each answering with its inverse.
//!
//! A generation is a way of making instances. Replica bounds, objectives and the update strategy
//! steer Ostler, not the instance, so they change in place; all else makes a new generation, also
//! other resources, which what runs gets without being replaced. The
//! first generation of a service is the revision that made it, later ones count up from there: a
//! name that is used again never meets instances of its earlier life.

use std::{collections::BTreeMap, sync::Arc};

use super::{Change, Refused, ServicePut, apply::Draft};
use crate::{
    autoscale::Tuning,
    graph::Graph,
    id::{Generation, InstanceId, ServiceKey},
    intent::{HISTORY_LIMIT, Intent, Past, Sealed, SecretKey, Service},
    rollout::{self, Way},
    spec::{Amounts, Likeness, ServiceSpec, Strategy, check_service, check_tuning},
    time::{Span, Time},
};

/// Restarts asked for longer ago than this are forgotten.
const RESTART_MEMORY: Span = Span::minutes(24 * 60);

impl Draft<'_> {
    pub(super) fn get(&mut self, key: &ServiceKey) -> Result<&mut Service, Refused> {
        let known = if self.next.services.contains_key(key) {
            String::new()
        } else {
            self.next.known_services()
        };
        let service = || Refused::NoService {
            service: key.clone(),
            known,
        };
        self.next.services.get_mut(key).ok_or_else(service)
    }

    /// The inverse of whatever is about to happen to these services.
    fn restoring<'k>(&self, keys: impl IntoIterator<Item = &'k ServiceKey>) -> Change {
        let as_now = |key: &ServiceKey| {
            (
                key.clone(),
                self.next.services.get(key).cloned().map(Box::new),
            )
        };
        Change::RestoreServices {
            services: keys.into_iter().map(as_now).collect(),
        }
    }

    pub(super) fn put_services(&mut self, puts: &[ServicePut]) -> Result<Change, Refused> {
        for (index, put) in puts.iter().enumerate() {
            check_service(&put.service, &put.labels, &put.spec)?;
            if puts
                .iter()
                .take(index)
                .any(|other| other.service == put.service)
            {
                let twice = crate::spec::InvalidManifest::Twice(put.service.to_string());
                return Err(twice.into());
            }
        }
        let inverse = self.restoring(puts.iter().map(|put| &put.service));
        for put in puts {
            self.put_service(put);
        }
        Ok(inverse)
    }

    fn put_service(&mut self, put: &ServicePut) {
        if !self.next.services.contains_key(&put.service) {
            let service = self.new_service(put.spec.clone().into(), put.labels.clone());
            self.next.services.insert(put.service.clone(), service);
            return;
        }
        self.respec(&put.service, Arc::new(put.spec.clone()), Way::Careful);
        if let Some(service) = self.next.services.get_mut(&put.service) {
            service.labels.clone_from(&put.labels);
        }
    }

    fn new_service(&self, spec: Arc<ServiceSpec>, labels: BTreeMap<String, String>) -> Service {
        Service {
            replicas: spec.replicas.min,
            spec,
            labels,
            generation: Generation(self.next.revision.0),
            changed_at: self.now,
            stable: None,
            settled: false,
            rollout: None,
            history: Vec::new(),
            restart_after: BTreeMap::new(),
            tuning: None,
        }
    }

    /// Gives an existing service another spec; a new generation if instances must be made otherwise.
    fn respec(&mut self, key: &ServiceKey, spec: Arc<ServiceSpec>, way: Way) {
        let before = self
            .base
            .services
            .get(key)
            .map(|service| service.generation);
        let now = self.now;
        let Some(service) = self.next.services.get_mut(key) else {
            return;
        };
        let bumped_already = before.is_some_and(|before| before < service.generation);
        let likeness = service.spec.likeness(&spec);
        let was = service.generation;
        let renewed = likeness != Likeness::Same && !bumped_already;
        if renewed {
            remember(service);
            service.generation = service.generation.next();
            service.changed_at = now;
            service.settled = false;
            // What is only resized stays, and so does what was asked of it.
            if likeness == Likeness::Other {
                service.restart_after.clear();
            }
        }
        service.replicas = service.replicas.clamp(spec.replicas.min, spec.replicas.max);
        service.spec = spec;
        if renewed {
            rollout::begin(service, was, likeness, way, now);
        }
    }

    pub(super) fn delete_service(&mut self, key: &ServiceKey) -> Result<Change, Refused> {
        self.get(key)?;
        let graph = Graph::of(&self.next);
        let dependents = graph.needed_by(key);
        if !dependents.is_empty() {
            let dependents = dependents
                .iter()
                .map(|key| format!("`{key}`"))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Refused::Needed {
                service: key.clone(),
                dependents,
            });
        }
        let inverse = self.restoring([key]);
        self.next.services.remove(key);
        Ok(inverse)
    }

    pub(super) fn scale(&mut self, key: &ServiceKey, replicas: u32) -> Result<Change, Refused> {
        let service = self.get(key)?;
        let (min, max) = (service.spec.replicas.min, service.spec.replicas.max);
        if !(min..=max).contains(&replicas) {
            return Err(Refused::OutOfBounds {
                service: key.clone(),
                replicas,
                min,
                max,
            });
        }
        let was = std::mem::replace(&mut service.replicas, replicas);
        Ok(Change::ScaleService {
            service: key.clone(),
            replicas: was,
        })
    }

    pub(super) fn tune_scaling(
        &mut self,
        key: &ServiceKey,
        tuning: Option<&Tuning>,
    ) -> Result<Change, Refused> {
        let service = self.get(key)?;
        if let Some(tuning) = tuning {
            check_tuning(key, &service.spec, tuning)?;
        }
        let was = std::mem::replace(&mut service.tuning, tuning.cloned().map(Box::new));
        Ok(Change::TuneScaling {
            service: key.clone(),
            tuning: was,
        })
    }

    pub(super) fn set_limits(
        &mut self,
        key: &ServiceKey,
        limits: Amounts,
        requests: Option<Amounts>,
    ) -> Result<Change, Refused> {
        let service = self.get(key)?;
        let mut spec = ServiceSpec::clone(&service.spec);
        let was = spec.resources;
        spec.resources.limits = limits;
        if let Some(requests) = requests {
            spec.resources.requests = requests;
        }
        check_service(key, &service.labels, &spec)?;
        if let Some(tuning) = &service.tuning {
            check_tuning(key, &spec, tuning)?;
        }
        self.respec(key, Arc::new(spec), Way::Careful);
        // Nothing else of the service: how many there are may follow its load meanwhile.
        Ok(Change::SetLimits {
            service: key.clone(),
            limits: was.limits,
            requests: Some(was.requests),
        })
    }

    /// Another image, and perhaps another way in.
    pub(super) fn upgrade(
        &mut self,
        key: &ServiceKey,
        image: &str,
        strategy: Option<&Strategy>,
    ) -> Result<Change, Refused> {
        let service = self.get(key)?;
        let mut spec = ServiceSpec::clone(&service.spec);
        image.clone_into(&mut spec.image);
        if let Some(strategy) = strategy {
            spec.update.strategy = strategy.clone();
        }
        check_service(key, &service.labels, &spec)?;
        let inverse = self.restoring([key]);
        self.respec(key, Arc::new(spec), Way::Careful);
        Ok(inverse)
    }

    /// The old way of making instances under the bounds, objectives and strategy of today.
    pub(super) fn roll_back(
        &mut self,
        key: &ServiceKey,
        to: Generation,
    ) -> Result<Change, Refused> {
        let service = self.get(key)?;
        let Some(past) = service
            .past(to)
            .filter(|past| past.generation != service.generation)
        else {
            return Err(no_generation(key, service, to));
        };
        let mut spec = ServiceSpec::clone(&past.spec);
        spec.keep_steering_of(&service.spec);
        let inverse = self.restoring([key]);
        self.respec(key, Arc::new(spec), Way::AtOnce);
        Ok(inverse)
    }

    pub(super) fn restart(
        &mut self,
        key: &ServiceKey,
        instances: &[InstanceId],
        at: Time,
    ) -> Result<(), Refused> {
        let oldest = self.now - RESTART_MEMORY;
        let service = self.get(key)?;
        service.restart_after.retain(|_, asked| *asked >= oldest);
        for instance in instances {
            let asked = service.restart_after.entry(instance.clone()).or_insert(at);
            *asked = (*asked).max(at);
        }
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        key: &ServiceKey,
        generation: Generation,
    ) -> Result<(), Refused> {
        let service = self.get(key)?;
        if service.generation == generation {
            service.settled = true;
            service.stable = None;
            service.rollout = None;
        }
        Ok(())
    }

    pub(super) fn restore(
        &mut self,
        services: &BTreeMap<ServiceKey, Option<Box<Service>>>,
    ) -> Result<Change, Refused> {
        for (key, earlier) in services {
            if let Some(earlier) = earlier {
                check_service(key, &earlier.labels, &earlier.spec)?;
            }
        }
        let inverse = self.restoring(services.keys());
        for (key, earlier) in services {
            match earlier {
                Some(earlier) => self.restore_one(key, earlier),
                None => {
                    self.next.services.remove(key);
                }
            }
        }
        Ok(inverse)
    }

    fn restore_one(&mut self, key: &ServiceKey, earlier: &Service) {
        if self.next.services.contains_key(key) {
            self.respec(key, Arc::clone(&earlier.spec), way_back_to(earlier));
        } else {
            let mut service = self.new_service(Arc::clone(&earlier.spec), BTreeMap::new());
            service.history.clone_from(&earlier.history);
            self.next.services.insert(key.clone(), service);
        }
        let Some(service) = self.next.services.get_mut(key) else {
            return;
        };
        let bounds = earlier.spec.replicas;
        service.labels.clone_from(&earlier.labels);
        // Restarts that were asked for and are still due are wanted again too.
        service.restart_after.clone_from(&earlier.restart_after);
        service.replicas = earlier.replicas.clamp(bounds.min, bounds.max);
    }
}

/// What had not proved itself when it was left comes in by its strategy again.
fn way_back_to(earlier: &Service) -> Way {
    if earlier.rollout.is_some() && earlier.rolls_out() {
        Way::Careful
    } else {
        Way::AtOnce
    }
}

/// Moves the current generation into history, and into `stable` if it had settled.
fn remember(service: &mut Service) {
    let past = service.as_past();
    if service.settled {
        service.stable = Some(past.clone());
    }
    service.history.insert(0, past);
    service.history.truncate(HISTORY_LIMIT);
}

fn no_generation(key: &ServiceKey, service: &Service, generation: Generation) -> Refused {
    let known: Vec<String> = service
        .history
        .iter()
        .map(|past: &Past| past.generation.to_string())
        .collect();
    let known = if known.is_empty() {
        "none before the current one".to_owned()
    } else {
        known.join(", ")
    };
    Refused::NoGeneration {
        service: key.clone(),
        generation,
        known,
    }
}

/// Stores a secret; the inverse brings back the earlier value or its absence.
pub(super) fn put_secret(intent: &mut Intent, secret: &SecretKey, sealed: &Sealed) -> Change {
    match intent.secrets.insert(secret.clone(), sealed.clone()) {
        Some(sealed) => Change::PutSecret {
            secret: secret.clone(),
            sealed,
        },
        None => Change::DeleteSecret {
            secret: secret.clone(),
        },
    }
}

/// Removes a secret.
pub(super) fn delete_secret(intent: &mut Intent, secret: &SecretKey) -> Result<Change, Refused> {
    let sealed = intent
        .secrets
        .remove(secret)
        .ok_or_else(|| Refused::NoSecret(secret.clone()))?;
    Ok(Change::PutSecret {
        secret: secret.clone(),
        sealed,
    })
}
