//! What was counted of versions beside their requests, for whoever puts both together. In memory, of services
//! whose rollout is in a step only.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ostler_core::{
    analysis::{Counts, Spread},
    id::{Generation, ServiceKey},
};

/// Of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Beside {
    /// CPU of a request.
    pub cpu: Spread,
    /// How often kinds of error lines came that are new, where that is known.
    pub new_errors: Option<u64>,
}

impl Beside {
    /// Puts it to the counts of the same version.
    pub fn join(&self, counts: &mut Counts) {
        counts.cpu = (self.cpu.stretches > 0).then_some(self.cpu);
        counts.new_errors = self.new_errors;
    }
}

/// Of all versions, by service.
#[derive(Debug, Default)]
pub struct Compared(Mutex<BTreeMap<ServiceKey, BTreeMap<Generation, Beside>>>);

impl Compared {
    /// Sets what was counted of a service.
    pub fn set(&self, service: &ServiceKey, versions: BTreeMap<Generation, Beside>) {
        self.all().insert(service.clone(), versions);
    }

    /// Forgets other services.
    pub fn retain(&self, keep: impl Fn(&ServiceKey) -> bool) {
        self.all().retain(|service, _| keep(service));
    }

    /// What was counted of a service, by version.
    #[must_use]
    pub fn of(&self, service: &ServiceKey) -> BTreeMap<Generation, Beside> {
        self.all().get(service).cloned().unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<ServiceKey, BTreeMap<Generation, Beside>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
