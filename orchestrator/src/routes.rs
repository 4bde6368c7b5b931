//! Brings the backend's route table to what the intent and the observed routes say.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ostler_core::{
    id::ServiceKey,
    intent::{Intent, Service},
    observed::InstanceSeen,
    spec::Port,
};
use ostler_runtime::backend::{Route, RoutePort, RouteTable};
use tokio::sync::Notify;

use crate::fleet::{Fleet, Table};

/// Wait before a table that was refused is set again.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest time between two settings of the table.
const ANYWAY: Duration = Duration::from_secs(30);

/// The wanted table, and a task that sets it.
pub struct Routes {
    fleet: Arc<Fleet>,
    wanted: Mutex<Option<RouteTable>>,
    moved: Notify,
}

impl Routes {
    /// No table is known yet: the first one is set whatever it says.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>) -> Arc<Self> {
        let routes = Arc::new(Self {
            fleet,
            wanted: Mutex::default(),
            moved: Notify::new(),
        });
        tokio::spawn(routes.clone().keep_set());
        routes
    }

    /// Works the table out anew; it is set when it differs.
    pub fn follow(&self, intent: &Intent) {
        let table = self.fleet.read(|table| RouteTable {
            services: intent
                .services
                .iter()
                .map(|(key, service)| (key.clone(), route_of(table, key, service)))
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
            }
        }
    }
}

fn route_of(table: &Table, key: &ServiceKey, service: &Service) -> Route {
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
    };
    Route {
        backends: instances.iter().filter_map(address).collect(),
        ports: service.spec.ports.iter().map(port).collect(),
    }
}
