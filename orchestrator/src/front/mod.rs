//! The proxy in front of published HTTP ports, as the daemon sees it: fed with a table after every pass,
//! asked for its counts, started when it is needed and left running when the daemon ends.
//!
//! Where it is not there, the kernel's rules lead straight to the instances: weights are not kept then,
//! and nothing else is lost.

mod feed;
pub mod golden;
mod process;
mod table;

pub use feed::keep_fed;
pub use process::Line;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr, SocketAddrV4},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ostler_core::{
    id::{Generation, InstanceId, ServiceKey},
    intent::Intent,
};
use ostler_proxy::{FrontKey, Table};
use tokio::sync::watch;

use crate::fleet::Fleet;

/// Whom it runs as where the daemon is root: somebody who owns nothing, and is nobody that an agent is.
const USER: u32 = 65_533;

/// What the proxy is to do.
#[derive(Debug, Clone, Default, PartialEq)]
struct Wanted {
    /// Whether a pass has said so yet.
    known: bool,
    table: Table,
    /// What counts as the current version of each service.
    current: BTreeMap<ServiceKey, Generation>,
}

/// What it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Doing {
    /// Where its fronts listen.
    open: BTreeMap<FrontKey, SocketAddrV4>,
    /// Instances that its table names.
    serving: BTreeSet<InstanceId>,
    /// Others that still answer something.
    under_way: BTreeSet<InstanceId>,
}

/// The proxy's fronts.
pub struct Fronts {
    fleet: Arc<Fleet>,
    dir: PathBuf,
    wanted: watch::Sender<Wanted>,
    doing: watch::Sender<Doing>,
}

impl Fronts {
    /// Finds the proxy that an earlier daemon left, if there is one, so that traffic goes on through it.
    pub async fn open(fleet: Arc<Fleet>, dir: PathBuf) -> (Arc<Self>, Option<Line>) {
        let found = Line::find(&dir).await.ok();
        let fronts = Arc::new(Self {
            fleet,
            dir,
            wanted: watch::Sender::default(),
            doing: watch::Sender::default(),
        });
        if let Some(line) = &found {
            let open = line.hello.open.iter();
            let open = open.filter_map(|one| Some((one.key.clone(), v4(one.address)?)));
            let open = open.collect();
            fronts.doing.send_modify(|doing| doing.open = open);
        }
        (fronts, found)
    }

    /// Works out anew what the proxy is to serve.
    pub fn follow(&self, intent: &Intent) {
        if self.address().is_none() {
            return;
        }
        let table = self
            .fleet
            .read(|seen| table::table_of(intent, &seen.observed));
        let current = |front: &ostler_proxy::Front| {
            let service = intent.services.get(&front.key.service)?;
            Some((front.key.service.clone(), service.generation))
        };
        let current = table.fronts.iter().filter_map(current).collect();
        let wanted = Wanted {
            known: true,
            table,
            current,
        };
        self.wanted.send_if_modified(|before| {
            let other = *before != wanted;
            if other {
                *before = wanted;
            }
            other
        });
    }

    /// Where a front listens, once it does.
    pub fn door(&self, service: &ServiceKey, port: u16) -> Option<SocketAddrV4> {
        let key = FrontKey {
            service: service.clone(),
            port,
        };
        self.doing.borrow().open.get(&key).copied()
    }

    /// Returns when an instance gets nothing new through the proxy and has answered what it got; or when
    /// that takes too long.
    pub async fn let_go(&self, instance: &InstanceId, patience: Duration) {
        let mut doing = self.doing.subscribe();
        let free = doing.wait_for(|doing| {
            !doing.serving.contains(instance) && !doing.under_way.contains(instance)
        });
        if tokio::time::timeout(patience, free).await.is_err() {
            tracing::warn!(%instance, "it still answers requests after its time to end");
        }
    }

    /// Where fronts can listen so that the kernel's rules lead there.
    fn address(&self) -> Option<IpAddr> {
        self.fleet.backend.gateway().map(IpAddr::V4)
    }
}

fn v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }
}
