//! What versions cost and say while one comes in by steps: CPU of their requests and new kinds of error lines,
//! for the core to weigh. It reads control groups and logs of services in such a step, and of no other.
//!
//! It looks right after the proxy told its counts, so that CPU and requests are of the same time.

mod beside;
mod novelty;
mod stretches;
mod watched;

pub use beside::{Beside, Compared};

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::{
    id::ServiceKey,
    intent::Service,
    time::{Span, Time},
};
use tokio_util::sync::CancellationToken;

use self::watched::Watched;
use crate::{clock, fleet::Fleet};

/// Time between two looks, at least.
const EVERY: Span = Span::seconds(2);
/// After so long without a look, requests may have gone round the proxy.
const GAP: Span = Span::seconds(5);

/// Looks until told to stop.
pub async fn watch(fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut looks = Looks::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = fleet.golden().looked() => looks.heard_of_the_proxy(&fleet).await,
        }
    }
}

/// What looking remembers.
#[derive(Default)]
struct Looks {
    /// When the proxy told its counts last, and which run of it.
    heard: Option<(Time, String)>,
    last: Option<Time>,
    services: BTreeMap<ServiceKey, Watched>,
}

impl Looks {
    async fn heard_of_the_proxy(&mut self, fleet: &Fleet) {
        let (now, run) = (clock::now(), fleet.golden().run());
        let before = self.heard.replace((now, run.clone()));
        let goes_on = before.is_some_and(|(at, of)| of == run && now.since(at) <= GAP);
        if !goes_on {
            self.services.values_mut().for_each(Watched::interrupt);
        }
        let due = self.last.is_none_or(|last| now.since(last) >= EVERY);
        if due || !goes_on {
            self.last = Some(now);
            self.look(fleet, now).await;
        }
    }

    async fn look(&mut self, fleet: &Fleet, now: Time) {
        let intent = fleet.intents().borrow().clone();
        let compared: BTreeMap<&ServiceKey, &Service> = (intent.services.iter())
            .filter(|(_, service)| is_compared(service))
            .collect();
        self.services.retain(|key, watched| {
            let service = compared.get(key);
            service.is_some_and(|service| watched.is_of(service))
        });
        fleet.compared.retain(|key| compared.contains_key(key));
        if compared.is_empty() {
            return;
        }
        let requests = fleet.golden().versions();
        for (key, service) in compared {
            let of_service = requests.get(key).cloned().unwrap_or_default();
            let fresh = || Watched::new(service);
            let watched = self.services.entry(key.clone()).or_insert_with(fresh);
            watched.look(fleet, key, service, &of_service, now).await;
            fleet.compared.set(key, watched.counted());
        }
    }
}

/// Whether two of its versions are in traffic that is judged.
fn is_compared(service: &Service) -> bool {
    service.rolls_out()
        && service.spec.update.analysis.enabled
        && service.canary_step(service.stage()).is_some()
        && service.spec.is_proxied()
}
