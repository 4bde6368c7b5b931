//! The bridge that every instance's link hangs on, and the kernel settings that forwarding needs.

use std::{fs, path::Path};

use nix::{ifaddrs::getifaddrs, sys::socket::SockaddrStorage};

use super::{
    NetworkError,
    addresses::Subnet,
    error::{disk, link},
    netlink::Netlink,
};

/// Checks a name that goes into rules and file names.
pub(super) fn check_name(name: &str) -> Result<(), NetworkError> {
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

/// Refuses a subnet in which another link has an address: packets would go to the wrong one of them.
fn check_free(name: &str, subnet: Subnet) -> Result<(), NetworkError> {
    let all = getifaddrs().map_err(link("list the addresses beside", name))?;
    for one in all.filter(|one| one.interface_name != name) {
        let address = |part: Option<SockaddrStorage>| Some(part?.as_sockaddr_in()?.ip());
        let (Some(address), Some(mask)) = (address(one.address), address(one.netmask)) else {
            continue;
        };
        let prefix = u8::try_from(u32::from(mask).count_ones()).unwrap_or(32);
        if subnet.overlaps(address, prefix) {
            return Err(NetworkError::SubnetTaken {
                subnet: subnet.whole(),
                link: one.interface_name,
                address: format!("{address}/{prefix}"),
            });
        }
    }
    Ok(())
}

/// Makes the bridge, or finds it, with its address and the settings it needs.
pub(super) fn make(name: &str, subnet: Subnet) -> Result<(), NetworkError> {
    check_free(name, subnet)?;
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
