//! The blocking half of the network: what is leased, wired and written, one call at a time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use ostler_core::id::{InstanceId, Namespace, ServiceKey};
use sha2::{Digest, Sha256};

use super::{
    Attachment, NetworkConfig, NetworkError,
    addresses::{Kind, Leases, Subnet},
    bridge, conntrack,
    error::{disk, link},
    lock, names,
    netlink::Netlink,
    netns::{self, Wiring},
    ports::Ports,
    rules::Rules,
};
use crate::backend::RouteTable;

/// The network's parts, and the blocking work on them.
pub(super) struct Inner {
    pub(super) config: NetworkConfig,
    pub(super) subnet: Subnet,
    pub(super) instances: Mutex<Leases>,
    pub(super) services: Mutex<Leases>,
    pub(super) ports: Mutex<Ports>,
    /// One change of an instance's place at a time.
    pub(super) turns: Mutex<HashMap<InstanceId, Arc<tokio::sync::Mutex<()>>>>,
    /// The rules in force, once this process has set some; one change at a time.
    pub(super) applied: tokio::sync::Mutex<Option<String>>,
}

impl Inner {
    pub(super) fn open(config: NetworkConfig, subnet: Subnet) -> Result<Self, NetworkError> {
        let root = &config.state_root;
        for part in ["netns", "hosts"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(disk("create", &path))?;
        }
        let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        names::write_in_place(&root.join("resolv.conf"), &names::resolv_conf(&host))?;
        bridge::make(&config.bridge, subnet)?;
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

    pub(super) fn attach(&self, instance: &InstanceId) -> Result<Attachment, NetworkError> {
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

    pub(super) fn detach(&self, instance: &str) -> Result<(), NetworkError> {
        let lease = lock(&self.instances).get(instance);
        self.disconnect(instance, &self.veth(instance))?;
        if let Some(lease) = lease {
            match conntrack::forget(lease.address) {
                Ok(true) => {}
                Ok(false) => tracing::debug!("this kernel forgets connections only by time"),
                Err(error) => tracing::warn!(%error, "connections could not be forgotten"),
            }
        }
        lock(&self.instances).release(instance)
    }

    /// Removes link and namespace, whatever of them is there.
    pub(super) fn disconnect(&self, instance: &str, veth: &str) -> Result<(), NetworkError> {
        let mut host = Netlink::open().map_err(link("open a netlink socket for", veth))?;
        host.remove(veth).map_err(link("remove the link", veth))?;
        netns::unname(&self.netns(instance))
    }

    pub(super) fn close(&self) -> Result<(), NetworkError> {
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

    pub(super) fn turn(&self, instance: &InstanceId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.turns).entry(instance.clone()).or_default())
    }

    pub(super) fn netns(&self, instance: &str) -> PathBuf {
        self.config.state_root.join("netns").join(instance)
    }

    pub(super) fn hosts_dir(&self) -> PathBuf {
        self.config.state_root.join("hosts")
    }

    /// The host's end of an instance's link: at most 15 characters, unique on the machine.
    pub(super) fn veth(&self, instance: &str) -> String {
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
    pub(super) fn lease_services(
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

    pub(super) fn script(
        &self,
        table: &RouteTable,
        addresses: &BTreeMap<ServiceKey, Ipv4Addr>,
    ) -> String {
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

    pub(super) fn write_names(
        &self,
        addresses: &BTreeMap<ServiceKey, Ipv4Addr>,
    ) -> Result<(), NetworkError> {
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

fn remove_dir(path: &Path) -> Result<(), NetworkError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(disk("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// A service's name as a file name: neither part can hold a dot.
pub(super) fn service_file(key: &ServiceKey) -> String {
    format!("{}.{}", key.namespace, key.name)
}
