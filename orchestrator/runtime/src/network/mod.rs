//! The service network of one machine: a bridge, a namespace and address per instance, an address
//! per service, published ports, names.
//!
//! Instances reach everything through the host, whose packet filter sends a service's address to
//! one of its ready instances and refuses at once where there is none. The whole route table is set
//! at a time; nothing here decides which instance is ready.

mod addresses;
mod bridge;
mod conntrack;
mod error;
mod inner;
mod names;
mod netlink;
mod netns;
mod nft;
mod ports;
mod rules;

pub use error::NetworkError;
pub use ports::unused as unused_port;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ostler_core::{
    id::{InstanceId, Namespace, ServiceKey},
    spec::Protocol,
};

use self::{
    addresses::Subnet,
    inner::{Inner, service_file},
    netns::in_own_thread,
};
use crate::backend::RouteTable;

/// Where and how the network is made.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Directory for namespaces, addresses and names; not shared with another network.
    pub state_root: PathBuf,
    /// The bridge's name, which the packet filter's table bears too: 1 to 15 letters and digits.
    pub bridge: String,
    /// The subnet: the lower half for instances, the upper for services. Prefix 8 to 28.
    pub subnet: (Ipv4Addr, u8),
}

/// An instance's place on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The network namespace to start the instance in.
    pub netns: PathBuf,
    /// The instance's address.
    pub address: Ipv4Addr,
    /// The host's address as the instance sees it.
    pub gateway: Ipv4Addr,
}

/// The network. Clones share it.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Makes the bridge and the base rules, or finds them as an earlier daemon left them: its
    /// routes stay in force until the first call of [`Network::route`].
    ///
    /// # Errors
    /// [`NetworkError`] when the settings or the kernel do not allow it.
    pub async fn open(config: NetworkConfig) -> Result<Self, NetworkError> {
        bridge::check_name(&config.bridge)?;
        let subnet = Subnet::new(config.subnet.0, config.subnet.1)?;
        let inner = in_own_thread(move || Inner::open(config, subnet)).await?;
        let network = Self {
            inner: Arc::new(inner),
        };
        if !nft::has_table(&network.inner.config.bridge).await? {
            network.route(&RouteTable::default()).await?;
        }
        Ok(network)
    }

    /// Gives the instance its namespace and address. Both stay until [`Network::detach`]; asking
    /// again gives the same.
    ///
    /// # Errors
    /// [`NetworkError`] when the kernel refuses; asking again starts afresh.
    pub async fn attach(&self, instance: &InstanceId) -> Result<Attachment, NetworkError> {
        let turn = self.inner.turn(instance);
        let _turn = turn.lock().await;
        let (inner, instance) = (Arc::clone(&self.inner), instance.clone());
        in_own_thread(move || inner.attach(&instance)).await
    }

    /// The instance's address, if it is attached.
    #[must_use]
    pub fn address(&self, instance: &InstanceId) -> Option<Ipv4Addr> {
        let lease = lock(&self.inner.instances).get(instance.as_str())?;
        lease.connected.then_some(lease.address)
    }

    /// Takes the instance's place on the network away; one that has none is fine.
    ///
    /// # Errors
    /// [`NetworkError`] when something cannot be removed; calling again continues.
    pub async fn detach(&self, instance: &InstanceId) -> Result<(), NetworkError> {
        let turn = self.inner.turn(instance);
        let held = turn.lock().await;
        let (inner, name) = (Arc::clone(&self.inner), instance.clone());
        in_own_thread(move || inner.detach(name.as_str())).await?;
        drop(held);
        lock(&self.inner.turns).remove(instance);
        Ok(())
    }

    /// Takes away the places of all instances but these.
    ///
    /// # Errors
    /// [`NetworkError`] when something cannot be removed; calling again continues.
    pub async fn keep_only(&self, known: &BTreeSet<InstanceId>) -> Result<(), NetworkError> {
        let leased = lock(&self.inner.instances).names();
        for name in leased {
            if known.iter().all(|instance| instance.as_str() != name) {
                tracing::warn!(name, "a place on the network belonged to no instance");
                let inner = Arc::clone(&self.inner);
                in_own_thread(move || inner.detach(&name)).await?;
            }
        }
        Ok(())
    }

    /// The hosts file for instances of a namespace. It is rewritten in place, so a bind mount of it
    /// stays current.
    #[must_use]
    pub fn hosts_file(&self, namespace: &Namespace) -> PathBuf {
        let path = names::hosts_path(&self.inner.hosts_dir(), namespace);
        if !path.exists()
            && let Err(error) =
                names::write_in_place(&path, &names::hosts(namespace, &BTreeMap::new()))
        {
            tracing::warn!(%error, "a hosts file is missing");
        }
        path
    }

    /// The resolver file for instances.
    #[must_use]
    pub fn resolv_conf(&self) -> PathBuf {
        self.inner.config.state_root.join("resolv.conf")
    }

    /// Whether a port of the host is ours or free to be published.
    ///
    /// # Errors
    /// [`NetworkError::PortTaken`] when another process has it.
    pub fn check_port(&self, protocol: Protocol, port: u16) -> Result<(), NetworkError> {
        if lock(&self.inner.ports).is_free(protocol, port) {
            Ok(())
        } else {
            Err(NetworkError::PortTaken(port))
        }
    }

    /// The host's address as instances see it.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.inner.subnet.gateway()
    }

    /// The stable address of a service, once it was in a route table.
    #[must_use]
    pub fn service_address(&self, service: &ServiceKey) -> Option<Ipv4Addr> {
        lock(&self.inner.services)
            .get(&service_file(service))
            .map(|lease| lease.address)
    }

    /// Sets names, services and published ports; the whole table. Ports that other processes have
    /// are left out and tried again with the next table.
    ///
    /// # Errors
    /// [`NetworkError`]; the earlier rules stay in force.
    pub async fn route(&self, table: &RouteTable) -> Result<(), NetworkError> {
        let mut applied = self.inner.applied.lock().await;
        let addresses = self.inner.lease_services(table)?;
        let script = self.inner.script(table, &addresses);
        if applied.as_ref() != Some(&script) {
            nft::apply(&script).await?;
            *applied = Some(script);
        }
        self.inner.write_names(&addresses)
    }

    /// Takes everything away: rules, instances' places, bridge, files. For tests and for removing
    /// Ostler from a machine; IP forwarding stays on, since others may have come to need it.
    ///
    /// # Errors
    /// [`NetworkError`] when something cannot be removed; calling again continues.
    pub async fn close(&self) -> Result<(), NetworkError> {
        let mut applied = self.inner.applied.lock().await;
        *applied = None;
        nft::remove_table(&self.inner.config.bridge).await?;
        let inner = Arc::clone(&self.inner);
        in_own_thread(move || inner.close()).await
    }
}

/// A lock whose holder cannot leave it half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
