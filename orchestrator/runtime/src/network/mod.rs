//! The service network of one machine: a bridge, a namespace and address per instance, an address
//! per service, published ports, names.
//!
//! Instances reach everything through the host, whose packet filter sends a service's address to
//! one of its ready instances and refuses at once where there is none. The whole route table is set
//! at a time; nothing here decides which instance is ready.

mod addresses;
mod error;
mod names;
mod netlink;
mod netns;
mod nft;
mod ports;
mod rules;

pub use error::NetworkError;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ostler_core::{
    id::{InstanceId, Namespace, ServiceKey},
    spec::Protocol,
};
use sha2::{Digest, Sha256};

use self::{
    addresses::{Kind, Leases, Subnet},
    error::{disk, link},
    netlink::Netlink,
    netns::{Wiring, in_own_thread},
    ports::Ports,
    rules::Rules,
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

struct Inner {
    config: NetworkConfig,
    subnet: Subnet,
    instances: Mutex<Leases>,
    services: Mutex<Leases>,
    ports: Mutex<Ports>,
    /// One change of an instance's place at a time.
    turns: Mutex<HashMap<InstanceId, Arc<tokio::sync::Mutex<()>>>>,
    /// The rules in force, once this process has set some; one change at a time.
    applied: tokio::sync::Mutex<Option<String>>,
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
        check_bridge(&config.bridge)?;
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

    /// Whether a TCP port of the host is ours or free to be published.
    #[must_use]
    pub fn port_free(&self, port: u16) -> bool {
        lock(&self.inner.ports).is_free(Protocol::Tcp, port)
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

impl Inner {
    fn open(config: NetworkConfig, subnet: Subnet) -> Result<Self, NetworkError> {
        let root = &config.state_root;
        for part in ["netns", "hosts"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(disk("create", &path))?;
        }
        let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        names::write_in_place(&root.join("resolv.conf"), &names::resolv_conf(&host))?;
        make_bridge(&config.bridge, subnet)?;
        Ok(Self {
            instances: Mutex::new(Leases::open(
                &root.join("instances"),
                subnet,
                Kind::Instance,
            )?),
            services: Mutex::new(Leases::open(&root.join("services"), subnet, Kind::Service)?),
            ports: Mutex::default(),
            turns: Mutex::default(),
            applied: tokio::sync::Mutex::default(),
            subnet,
            config,
        })
    }

    fn attach(&self, instance: &InstanceId) -> Result<Attachment, NetworkError> {
        let mut lease = lock(&self.instances).lease(instance.as_str())?;
        let netns = self.netns(instance.as_str());
        let attachment = Attachment {
            netns,
            address: lease.address,
            gateway: self.subnet.gateway(),
        };
        if lease.connected && netns::is_named(&attachment.netns) {
            return Ok(attachment);
        }
        let veth = self.veth(instance.as_str());
        self.disconnect(instance.as_str(), &veth)?;
        netns::connect(&Wiring {
            netns: &attachment.netns,
            veth: &veth,
            bridge: &self.config.bridge,
            address: lease.address,
            gateway: attachment.gateway,
        })?;
        lease.connected = true;
        lock(&self.instances).put(instance.as_str(), lease)?;
        Ok(attachment)
    }

    fn detach(&self, instance: &str) -> Result<(), NetworkError> {
        self.disconnect(instance, &self.veth(instance))?;
        lock(&self.instances).release(instance)
    }

    /// Removes link and namespace, whatever of them is there.
    fn disconnect(&self, instance: &str, veth: &str) -> Result<(), NetworkError> {
        let mut host = Netlink::open().map_err(link("open a netlink socket for", veth))?;
        host.remove(veth).map_err(link("remove the link", veth))?;
        netns::unname(&self.netns(instance))
    }

    fn close(&self) -> Result<(), NetworkError> {
        let names = lock(&self.instances).names();
        for name in names {
            self.detach(&name)?;
        }
        lock(&self.ports).hold(&BTreeSet::new());
        let bridge = &self.config.bridge;
        let mut host = Netlink::open().map_err(link("open a netlink socket for", bridge))?;
        host.remove(bridge)
            .map_err(link("remove the bridge", bridge))?;
        for part in ["netns", "hosts", "instances", "services"] {
            remove_dir(&self.config.state_root.join(part))?;
        }
        let resolv = self.config.state_root.join("resolv.conf");
        fs::remove_file(&resolv).map_err(disk("remove", &resolv))
    }

    fn turn(&self, instance: &InstanceId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.turns).entry(instance.clone()).or_default())
    }

    fn netns(&self, instance: &str) -> PathBuf {
        self.config.state_root.join("netns").join(instance)
    }

    fn hosts_dir(&self) -> PathBuf {
        self.config.state_root.join("hosts")
    }

    /// The host's end of an instance's link: at most 15 characters, unique on the machine.
    fn veth(&self, instance: &str) -> String {
        let hash = Sha256::digest(format!("{}/{instance}", self.config.bridge));
        let hex: String = hash
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("ov{hex}")
    }

    /// An address for every service of the table. When they run out, those of services that are no
    /// longer there are given up.
    fn lease_services(
        &self,
        table: &RouteTable,
    ) -> Result<BTreeMap<ServiceKey, Ipv4Addr>, NetworkError> {
        let mut leases = lock(&self.services);
        let files: BTreeSet<String> = table.services.keys().map(service_file).collect();
        let mut addresses = BTreeMap::new();
        for key in table.services.keys() {
            let file = service_file(key);
            let lease = match leases.lease(&file) {
                Err(NetworkError::AddressesExhausted { .. }) => {
                    for gone in leases.names().iter().filter(|name| !files.contains(*name)) {
                        leases.release(gone)?;
                    }
                    leases.lease(&file)?
                }
                leased => leased?,
            };
            addresses.insert(key.clone(), lease.address);
        }
        Ok(addresses)
    }

    fn script(&self, table: &RouteTable, addresses: &BTreeMap<ServiceKey, Ipv4Addr>) -> String {
        let ports = table.services.values().flat_map(|route| &route.ports);
        let wanted = ports
            .filter_map(|port| Some((port.protocol, port.publish?)))
            .collect();
        let mut held = lock(&self.ports);
        held.hold(&wanted);
        let rules = Rules {
            bridge: &self.config.bridge,
            subnet: self.subnet,
            table,
            addresses,
            may_publish: &|protocol, port| held.holds(protocol, port),
        };
        rules.script()
    }

    fn write_names(&self, addresses: &BTreeMap<ServiceKey, Ipv4Addr>) -> Result<(), NetworkError> {
        let dir = self.hosts_dir();
        let mut namespaces: BTreeSet<Namespace> =
            addresses.keys().map(|key| key.namespace.clone()).collect();
        for entry in fs::read_dir(&dir).map_err(disk("read", &dir))? {
            let entry = entry.map_err(disk("read", &dir))?;
            namespaces.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(|name| Namespace::new(name).ok()),
            );
        }
        for namespace in &namespaces {
            let path = names::hosts_path(&dir, namespace);
            names::write_in_place(&path, &names::hosts(namespace, addresses))?;
        }
        Ok(())
    }
}

fn check_bridge(name: &str) -> Result<(), NetworkError> {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if plain && (1..=15).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_lowercase())
    {
        return Ok(());
    }
    Err(NetworkError::Config {
        field: "bridge",
        value: name.chars().take(80).collect(),
        accepted: "use 1 to 15 lower-case letters and digits, starting with a letter",
    })
}

fn make_bridge(name: &str, subnet: Subnet) -> Result<(), NetworkError> {
    let mut host = Netlink::open().map_err(link("open a netlink socket for", name))?;
    let index = match host.index(name).map_err(link("find the bridge", name))? {
        Some(index) => index,
        None => {
            host.add_bridge(name)
                .map_err(link("make the bridge", name))?;
            host.index(name)
                .map_err(link("find the bridge", name))?
                .unwrap_or_default()
        }
    };
    host.set_address(index, subnet.gateway(), subnet.prefix())
        .map_err(link("set the address of", name))?;
    host.set_up(index).map_err(link("bring up", name))?;
    // So that a connection to 127.0.0.1 may be sent on to an instance; the rules keep instances
    // from reaching the host's loopback this way.
    switch_on(&format!("/proc/sys/net/ipv4/conf/{name}/route_localnet"))?;
    switch_on("/proc/sys/net/ipv4/ip_forward")
}

/// Writes `1` unless it is there: writing would reset other settings of every link.
fn switch_on(path: &str) -> Result<(), NetworkError> {
    let path = Path::new(path);
    if fs::read_to_string(path).map_err(disk("read", path))?.trim() == "1" {
        return Ok(());
    }
    fs::write(path, "1").map_err(disk("write", path))
}

fn remove_dir(path: &Path) -> Result<(), NetworkError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(disk("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// A service's name as a file name: neither part can hold a dot.
fn service_file(key: &ServiceKey) -> String {
    format!("{}.{}", key.namespace, key.name)
}

/// A lock whose holder cannot leave it half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
