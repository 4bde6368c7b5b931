//! Who has which address: the lower half of the subnet is for instances, the upper for services.
//!
//! An address starts from a hash of the name and moves on while taken, so most names find the same
//! address again even without a record. Records survive the daemon; they need not survive the
//! machine, whose instances end with it.

use std::{
    collections::BTreeMap,
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{NetworkError, error::disk};

/// The subnet, split in halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subnet {
    base: u32,
    prefix: u8,
}

impl Subnet {
    /// Checks that halves of a useful size remain.
    pub(super) fn new(address: Ipv4Addr, prefix: u8) -> Result<Self, NetworkError> {
        if !(8..=28).contains(&prefix) {
            return Err(NetworkError::Config {
                field: "subnet",
                value: format!("{address}/{prefix}"),
                accepted: "use a prefix of 8 to 28",
            });
        }
        let mask = u32::MAX << (32 - u32::from(prefix));
        Ok(Self {
            base: u32::from(address) & mask,
            prefix,
        })
    }

    fn half(self) -> u32 {
        1 << (31 - u32::from(self.prefix))
    }

    /// The host's address on the bridge.
    pub(super) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    pub(super) fn prefix(self) -> u8 {
        self.prefix
    }

    /// `a.b.c.d/n`.
    pub(super) fn whole(self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }

    /// Whether an address of another network could be one of these, or the other way round.
    pub(super) fn overlaps(self, address: Ipv4Addr, prefix: u8) -> bool {
        let mask = u32::MAX
            .checked_shl(32 - u32::from(prefix.min(self.prefix)))
            .unwrap_or(0);
        u32::from(address) & mask == self.base & mask
    }

    /// `a.b.c.d/n` of the instances' half.
    pub(super) fn instances(self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.base), self.prefix + 1)
    }

    /// `a.b.c.d/n` of the services' half.
    pub(super) fn services(self) -> String {
        format!(
            "{}/{}",
            Ipv4Addr::from(self.base + self.half()),
            self.prefix + 1
        )
    }

    fn range(self, kind: Kind) -> (u32, u32) {
        match kind {
            // Without the network's and the gateway's address.
            Kind::Instance => (self.base + 2, self.half() - 2),
            // Without the broadcast address.
            Kind::Service => (self.base + self.half(), self.half() - 1),
        }
    }
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Instance,
    Service,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Service => "service",
        }
    }
}

/// An address, and whether the network behind it was set up to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    #[serde(default)]
    pub(super) connected: bool,
}

/// The leases of one kind, and their files.
#[derive(Debug)]
pub(super) struct Leases {
    dir: PathBuf,
    subnet: Subnet,
    kind: Kind,
    by_name: BTreeMap<String, Lease>,
    taken: std::collections::BTreeSet<Ipv4Addr>,
}

impl Leases {
    /// Reads what an earlier daemon leased.
    pub(super) fn open(dir: &Path, subnet: Subnet, kind: Kind) -> Result<Self, NetworkError> {
        fs::create_dir_all(dir).map_err(disk("create", dir))?;
        let mut leases = Self {
            dir: dir.to_owned(),
            subnet,
            kind,
            by_name: BTreeMap::new(),
            taken: std::collections::BTreeSet::new(),
        };
        for entry in fs::read_dir(dir).map_err(disk("read", dir))? {
            let path = entry.map_err(disk("read", dir))?.path();
            leases.read(&path)?;
        }
        Ok(leases)
    }

    fn read(&mut self, path: &Path) -> Result<(), NetworkError> {
        let bytes = fs::read(path).map_err(disk("read", path))?;
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let (first, count) = self.subnet.range(self.kind);
        let lease: Option<Lease> = serde_json::from_slice(&bytes).ok();
        let fits = |lease: &Lease| {
            let offset = u32::from(lease.address).checked_sub(first);
            offset.is_some_and(|offset| offset < count) && !self.taken.contains(&lease.address)
        };
        match lease.filter(fits) {
            Some(lease) => {
                self.taken.insert(lease.address);
                self.by_name.insert(name.to_owned(), lease);
                Ok(())
            }
            None => {
                tracing::warn!(path = %path.display(), "an unusable address record was dropped");
                fs::remove_file(path).map_err(disk("remove", path))
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Lease> {
        self.by_name.get(name).copied()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }

    /// The address of a name, leased now if it has none.
    pub(super) fn lease(&mut self, name: &str) -> Result<Lease, NetworkError> {
        if let Some(lease) = self.get(name) {
            return Ok(lease);
        }
        let address = self
            .free_address(name)
            .ok_or_else(|| NetworkError::AddressesExhausted {
                kind: self.kind.word(),
                subnet: match self.kind {
                    Kind::Instance => self.subnet.instances(),
                    Kind::Service => self.subnet.services(),
                },
            })?;
        let lease = Lease {
            address,
            connected: false,
        };
        self.put(name, lease)?;
        Ok(lease)
    }

    fn free_address(&self, name: &str) -> Option<Ipv4Addr> {
        let (first, count) = self.subnet.range(self.kind);
        let hash = Sha256::digest(name.as_bytes());
        let start = hash
            .iter()
            .take(4)
            .fold(0u32, |sum, byte| sum << 8 | u32::from(*byte))
            % count;
        let candidates = (0..count).map(|step| Ipv4Addr::from(first + (start + step) % count));
        candidates
            .into_iter()
            .find(|address| !self.taken.contains(address))
    }

    /// Records a lease, replacing the file whole.
    pub(super) fn put(&mut self, name: &str, lease: Lease) -> Result<(), NetworkError> {
        let path = self.dir.join(name);
        let bytes = serde_json::to_vec(&lease)
            .map_err(io::Error::from)
            .map_err(disk("encode", &path))?;
        let fresh = self.dir.with_extension("new");
        fs::write(&fresh, bytes).map_err(disk("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(disk("rename to", &path))?;
        self.taken.insert(lease.address);
        self.by_name.insert(name.to_owned(), lease);
        Ok(())
    }

    pub(super) fn release(&mut self, name: &str) -> Result<(), NetworkError> {
        let path = self.dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk("remove", &path)(error));
            }
            _ => {}
        }
        if let Some(lease) = self.by_name.remove(name) {
            self.taken.remove(&lease.address);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(prefix: u8) -> Subnet {
        Subnet::new(Ipv4Addr::new(10, 9, 3, 7), prefix).unwrap()
    }

    #[test]
    fn a_subnet_is_split_in_halves() {
        let subnet = subnet(16);
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 9, 0, 1));
        assert_eq!(subnet.instances(), "10.9.0.0/17");
        assert_eq!(subnet.services(), "10.9.128.0/17");
        for prefix in [0, 7, 29, 32, 255] {
            assert!(
                Subnet::new(Ipv4Addr::LOCALHOST, prefix).is_err(),
                "{prefix}"
            );
        }
    }

    #[test]
    fn addresses_are_unique_stay_and_run_out_loudly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("instances");
        for kind in [Kind::Instance, Kind::Service] {
            let mut leases = Leases::open(&path, subnet(28), kind).unwrap();
            let (first, count) = subnet(28).range(kind);
            let mut seen = std::collections::BTreeSet::new();
            for n in 0..count {
                let address = leases.lease(&format!("i-{n}")).unwrap().address;
                assert!((first..first + count).contains(&u32::from(address)));
                assert!(seen.insert(address), "{address} twice");
            }
            assert!(matches!(
                leases.lease("more"),
                Err(NetworkError::AddressesExhausted { .. })
            ));
            let mut again = Leases::open(&path, subnet(28), kind).unwrap();
            assert_eq!(
                again.by_name, leases.by_name,
                "a restarted daemon knows them"
            );
            let freed = again.lease("i-0").unwrap().address;
            again.release("i-0").unwrap();
            assert_eq!(again.lease("more").unwrap().address, freed);
            for name in again.names() {
                again.release(&name).unwrap();
            }
        }
    }

    #[test]
    fn a_torn_record_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "{\"addr").unwrap();
        fs::write(dir.path().join("b"), r#"{"address":"192.168.0.1"}"#).unwrap();
        let leases = Leases::open(dir.path(), subnet(16), Kind::Instance).unwrap();
        assert!(leases.names().is_empty());
    }
}
