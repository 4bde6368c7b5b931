//! Names of services as instances see them: one hosts file per namespace, and a resolver file.
//!
//! The files are bind-mounted into containers, so they are rewritten in place: a new file under the
//! same name would not be seen.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, OpenOptions},
    net::Ipv4Addr,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use ostler_core::id::{Namespace, ServiceKey};

use super::{NetworkError, error::disk};

/// The text of a namespace's hosts file: `name`, `name.namespace` and `name.namespace.svc`.
pub(super) fn hosts(namespace: &Namespace, addresses: &BTreeMap<ServiceKey, Ipv4Addr>) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n".to_owned();
    for (key, address) in addresses {
        let (name, of) = (&key.name, &key.namespace);
        // Writing to a String cannot fail.
        let _ = write!(text, "{address}");
        if of == namespace {
            let _ = write!(text, " {name}");
        }
        let _ = writeln!(text, " {name}.{of} {name}.{of}.svc");
    }
    text
}

/// Where a namespace's hosts file lies.
pub(super) fn hosts_path(dir: &Path, namespace: &Namespace) -> PathBuf {
    dir.join(namespace.as_str())
}

/// Writes a file in place, in one go, and only when it differs.
pub(super) fn write_in_place(path: &Path, text: &str) -> Result<(), NetworkError> {
    if fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    let file = file.map_err(disk("open", path))?;
    file.write_all_at(text.as_bytes(), 0)
        .map_err(disk("write", path))?;
    file.set_len(text.len() as u64).map_err(disk("cut", path))
}

/// The host's resolvers that an instance can reach too; those on the host's own loopback cannot be.
pub(super) fn resolv_conf(host: &str) -> String {
    let reachable = |line: &&str| match line.trim().strip_prefix("nameserver") {
        Some(server) => {
            let server = server.trim();
            !(server.starts_with("127.") || server == "::1")
        }
        None => true,
    };
    let mut text: String = host
        .lines()
        .filter(reachable)
        .take(64)
        .flat_map(|line| [line, "\n"])
        .collect();
    if text.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn services_have_short_names_only_in_their_own_namespace() {
        let addresses = [
            ("shop/cart", [10, 9, 128, 1]),
            ("bank/cart", [10, 9, 128, 2]),
        ];
        let addresses = addresses.map(|(key, address)| (key.parse().unwrap(), address.into()));
        let text = hosts(&Namespace::new("shop").unwrap(), &addresses.into());
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "10.9.128.2 cart.bank cart.bank.svc",
                "10.9.128.1 cart cart.shop cart.shop.svc"
            ]
        );
    }

    #[test]
    fn a_rewritten_file_is_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("default");
        write_in_place(&path, "a long first text\n").unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        write_in_place(&path, "short\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short\n");
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    }

    #[test]
    fn resolvers_of_the_hosts_loopback_are_left_out() {
        let host = "search example\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n";
        assert_eq!(resolv_conf(host), "search example\nnameserver 192.0.2.1\n");
    }
}
