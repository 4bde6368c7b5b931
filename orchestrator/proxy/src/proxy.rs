//! All fronts together: takes a table over, tells what was counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ostler_core::id::{Generation, InstanceId, ServiceKey};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    choice::{Rotation, Standing},
    door::{Door, Shared},
    limits::Limits,
    table::{Front, FrontKey, Instance, Table},
    tally::Tally,
    upstream::Backend,
    wire::{Counted, Look, Open, TurnedAway},
};

/// Generations of one service whose counts are kept: one whose instances were taken out is of interest
/// a while longer.
const GENERATIONS_KEPT: usize = 16;

/// An instance behind a front.
type Place = (FrontKey, InstanceId, SocketAddr);

/// The proxy.
pub struct Proxy {
    address: IpAddr,
    limits: Limits,
    /// One change at a time.
    parts: tokio::sync::Mutex<BTreeMap<FrontKey, Door>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    tallies: BTreeMap<ServiceKey, BTreeMap<Generation, Arc<Tally>>>,
    /// Those of the table, and those that were in it and have something under way.
    backends: BTreeMap<Place, Arc<Backend>>,
    serving: BTreeSet<Place>,
    dice: Option<StdRng>,
}

impl Proxy {
    /// Without fronts; they will listen on this address. With a seed, choices can be repeated.
    #[must_use]
    pub fn new(address: IpAddr, limits: Limits, seed: u64) -> Self {
        let known = Known {
            dice: Some(StdRng::seed_from_u64(seed)),
            ..Known::default()
        };
        Self {
            address,
            limits,
            parts: tokio::sync::Mutex::default(),
            known: Mutex::new(known),
        }
    }

    /// Takes a table over: opens and closes fronts, and says where each listens. One that cannot be opened
    /// is left out and tried again with the next table.
    pub async fn set(&self, table: &Table) -> Vec<Open> {
        let mut doors = self.parts.lock().await;
        let wanted: BTreeSet<&FrontKey> = table.fronts.iter().map(|front| &front.key).collect();
        let gone: Vec<FrontKey> = doors
            .keys()
            .filter(|key| !wanted.contains(key))
            .cloned()
            .collect();
        for key in gone {
            if let Some(door) = doors.remove(&key) {
                tokio::spawn(door.close());
            }
        }
        for front in &table.fronts {
            if !doors.contains_key(&front.key) {
                let shared = Shared::new(self.limits.clone(), self.known().more_dice());
                match Door::open(self.address, shared).await {
                    Ok(door) => drop(doors.insert(front.key.clone(), door)),
                    Err(error) => {
                        tracing::error!(%error, service = %front.key.service, "a front cannot listen");
                    }
                }
            }
            if let Some(door) = doors.get(&front.key) {
                door.shared.set(self.known().rotation(front));
            }
        }
        self.known().keep_only(table);
        open(&doors)
    }

    /// What was counted so far, and which instances that are out of the table still have something under
    /// way.
    pub async fn look(&self) -> Look {
        let mut turned_away: BTreeMap<ServiceKey, u64> = BTreeMap::new();
        for (key, door) in self.parts.lock().await.iter() {
            *turned_away.entry(key.service.clone()).or_default() += door.shared.all_turned_away();
        }
        let mut known = self.known();
        known.forget_idle();
        Look {
            counted: known.counted(),
            turned_away: turned_away
                .into_iter()
                .map(|(service, requests)| TurnedAway { service, requests })
                .collect(),
            under_way: known.under_way(),
        }
    }

    /// Goes on for as long as another may take to take over, while clients are asked for new connections, which
    /// the other gets as soon as it is there; then closes.
    pub async fn hand_over(&self) {
        let some = {
            let doors = self.parts.lock().await;
            doors.values().for_each(|door| door.shared.leave());
            !doors.is_empty()
        };
        if some {
            tokio::time::sleep(self.limits.hand_over).await;
        }
        self.close().await;
    }

    /// Where each front listens.
    pub async fn open(&self) -> Vec<Open> {
        open(&*self.parts.lock().await)
    }

    /// Closes every front; returns when what was under way has ended or was cut off.
    pub async fn close(&self) {
        let doors = std::mem::take(&mut *self.parts.lock().await);
        let mut closing = tokio::task::JoinSet::new();
        for door in doors.into_values() {
            closing.spawn(door.close());
        }
        while closing.join_next().await.is_some() {}
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(doors: &BTreeMap<FrontKey, Door>) -> Vec<Open> {
    let open = |(key, door): (&FrontKey, &Door)| Open {
        key: key.clone(),
        address: door.address,
    };
    doors.iter().map(open).collect()
}

impl Known {
    fn more_dice(&mut self) -> StdRng {
        match &mut self.dice {
            Some(dice) => StdRng::from_rng(dice),
            None => StdRng::seed_from_u64(0),
        }
    }

    fn rotation(&mut self, front: &Front) -> Rotation {
        let mut rotation = Rotation::default();
        for version in &front.versions {
            let backends = version.instances.iter();
            let backends = backends.map(|one| self.backend(&front.key, one)).collect();
            rotation.versions.push(Standing {
                weight: version.weight,
                tally: self.tally(&front.key.service, version.generation),
                backends,
            });
        }
        rotation
    }

    fn tally(&mut self, service: &ServiceKey, generation: Generation) -> Arc<Tally> {
        let of_service = self.tallies.entry(service.clone()).or_default();
        of_service.entry(generation).or_default().clone()
    }

    /// The same as in the table before: its connections and what is under way go on.
    fn backend(&mut self, front: &FrontKey, one: &Instance) -> Arc<Backend> {
        let key = (front.clone(), one.id.clone(), one.address);
        let backend = self.backends.entry(key);
        backend
            .or_insert_with(|| Arc::new(Backend::new(one.id.clone(), one.address)))
            .clone()
    }

    fn keep_only(&mut self, table: &Table) {
        self.tallies.retain(|service, tallies| {
            while tallies.len() > GENERATIONS_KEPT {
                tallies.pop_first();
            }
            table
                .fronts
                .iter()
                .any(|front| front.key.service == *service)
        });
        let places = |front: &Front| {
            let instances = front.versions.iter().flat_map(|version| &version.instances);
            let place = |one: &Instance| (front.key.clone(), one.id.clone(), one.address);
            instances.map(place).collect::<Vec<_>>()
        };
        self.serving = table.fronts.iter().flat_map(places).collect();
        for (place, backend) in &self.backends {
            if !self.serving.contains(place) {
                backend.forget_unused();
            }
        }
        self.forget_idle();
    }

    /// Whoever is out of the table and in nobody's hands any more.
    fn forget_idle(&mut self) {
        let serving = &self.serving;
        self.backends
            .retain(|place, backend| serving.contains(place) || Arc::strong_count(backend) > 1);
    }

    /// Who is out of the table and has something under way.
    fn under_way(&self) -> Vec<InstanceId> {
        let out = self
            .backends
            .iter()
            .filter(|(place, backend)| !self.serving.contains(place) && backend.under_way() > 0);
        out.map(|(_, backend)| backend.id.clone()).collect()
    }

    fn counted(&self) -> Vec<Counted> {
        let of_service = |(service, tallies): (&ServiceKey, &BTreeMap<Generation, Arc<Tally>>)| {
            let counted = |(generation, tally): (&Generation, &Arc<Tally>)| Counted {
                service: service.clone(),
                generation: *generation,
                golden: tally.read(),
            };
            tallies.iter().map(counted).collect::<Vec<_>>()
        };
        self.tallies.iter().flat_map(of_service).collect()
    }
}
