//! Brings the backend's route table, and the proxy's, to what the intent and the observed routes say.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ostler_core::{
    id::{InstanceId, ServiceKey},
    intent::{Intent, Service},
    observed::InstanceSeen,
    spec::Port,
};
use ostler_runtime::backend::{Route, RoutePort, RouteTable};
use tokio::sync::{Notify, watch};

use crate::{
    fleet::{Fleet, Table},
    front::Fronts,
};

/// Wait before a table that was refused is set again.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest time between two settings of the table.
const ANYWAY: Duration = Duration::from_secs(30);
/// How long who is to end waits for a table without it.
const SET_WITHIN: Duration = Duration::from_secs(2);

/// The wanted table, and a task that sets it.
pub struct Routes {
    fleet: Arc<Fleet>,
    fronts: Arc<Fronts>,
    wanted: Mutex<Option<RouteTable>>,
    moved: Notify,
    /// Addresses that the rules in force lead to.
    led_to: watch::Sender<BTreeSet<Ipv4Addr>>,
}

impl Routes {
    /// No table is known yet: the first one is set whatever it says.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>, fronts: Arc<Fronts>) -> Arc<Self> {
        let routes = Arc::new(Self {
            fleet,
            fronts,
            wanted: Mutex::default(),
            moved: Notify::new(),
            led_to: watch::Sender::default(),
        });
        tokio::spawn(routes.clone().keep_set());
        routes
    }

    /// Works the table out anew; it is set when it differs.
    pub fn follow(&self, intent: &Intent) {
        self.fronts.follow(intent);
        let table = self.fleet.read(|table| RouteTable {
            services: intent
                .services
                .iter()
                .map(|(key, service)| (key.clone(), self.route_of(table, key, service)))
                .collect(),
        });
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.as_ref() != Some(&table) {
            *wanted = Some(table);
            self.moved.notify_one();
        }
    }

    /// One table at a time, the newest; a failure is tried again. The same table is set again now and
    /// then: a port that was taken may be free by now.
    async fn keep_set(self: Arc<Self>) {
        loop {
            let _moved_or_due = tokio::time::timeout(ANYWAY, self.moved.notified()).await;
            let table = self
                .wanted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let Some(table) = table else { continue };
            if let Err(error) = self.fleet.backend.route(&table).await {
                tracing::error!(%error, "the routes cannot be set; the earlier ones stay, trying again");
                tokio::time::sleep(AGAIN).await;
                self.moved.notify_one();
                continue;
            }
            let routes = table.services.into_values();
            let led_to = routes.flat_map(|route| route.backends).collect();
            self.led_to.send_replace(led_to);
        }
    }

    /// Returns when nothing new comes to an instance and it has answered what came through the proxy; or
    /// when that takes longer than its own time to end.
    pub async fn let_go(&self, instance: &InstanceId, patience: Duration) {
        let address = self.fleet.read(|table| {
            let seen = table.observed.instances.get(instance);
            seen.and_then(|seen| seen.address)
        });
        let Some(address) = address else { return };
        let mut led_to = self.led_to.subscribe();
        let without = led_to.wait_for(|led_to| !led_to.contains(&address));
        if tokio::time::timeout(SET_WITHIN, without).await.is_err() {
            tracing::warn!(%instance, "it ends while the rules still lead to it");
        }
        self.fronts.let_go(instance, patience).await;
    }

    fn route_of(&self, table: &Table, key: &ServiceKey, service: &Service) -> Route {
        let instances = table
            .observed
            .routes
            .get(key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let address = |id| {
            let seen: Option<&InstanceSeen> = table.observed.instances.get(id);
            seen.and_then(|seen| seen.address)
        };
        let port = |port: &Port| RoutePort {
            port: port.port,
            protocol: port.protocol,
            publish: port.publish,
            via: port
                .is_proxied()
                .then(|| self.fronts.door(key, port.port))
                .flatten(),
        };
        Route {
            backends: instances.iter().filter_map(address).collect(),
            ports: service.spec.ports.iter().map(port).collect(),
        }
    }
}
