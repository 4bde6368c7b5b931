//! One network namespace per instance, named by a file, with one link to the bridge.
//!
//! Namespaces are made in threads of their own that end right after: a thread of the async runtime
//! must never change its namespace.

use std::{
    fs::{self, File},
    io,
    net::Ipv4Addr,
    os::fd::AsRawFd,
    path::Path,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::statfs::{FsType, statfs},
};
use tokio::sync::oneshot;

use super::{
    NetworkError,
    error::{disk, link},
    netlink::Netlink,
};

/// The link's name inside every instance.
const INSIDE: &str = "eth0";
/// The loopback link is always the first of a namespace.
const LOOPBACK: u32 = 1;
/// Magic number of the file system that namespace files live on.
const NSFS: FsType = FsType(0x6e73_6673);

/// How one instance is to be connected.
#[derive(Debug, Clone)]
pub(super) struct Wiring<'a> {
    pub(super) netns: &'a Path,
    pub(super) veth: &'a str,
    pub(super) bridge: &'a str,
    pub(super) address: Ipv4Addr,
    pub(super) gateway: Ipv4Addr,
}

/// Runs work in a thread of its own, so that whatever it changes about itself ends with it.
pub(super) async fn in_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NetworkError> + Send + 'static,
) -> Result<T, NetworkError> {
    let (sender, receiver) = oneshot::channel();
    let spawned = std::thread::Builder::new()
        .name("network".to_owned())
        .spawn(move || {
            // The receiver is gone when the caller gave up; the work is idempotent.
            let _ = sender.send(work());
        });
    spawned.map_err(link("start a thread for", "the network"))?;
    match receiver.await {
        Ok(outcome) => outcome,
        Err(_) => Err(link("finish work on", "the network")(io::Error::other(
            "its thread died",
        ))),
    }
}

/// Makes the namespace and its link. Leaves the calling thread in the new namespace: call it only
/// through [`in_own_thread`].
pub(super) fn connect(wiring: &Wiring<'_>) -> Result<(), NetworkError> {
    let name = wiring.netns.display().to_string();
    let mut host = Netlink::open().map_err(link("open a netlink socket for", name.clone()))?;
    let bridge = host
        .index(wiring.bridge)
        .map_err(link("find the bridge", wiring.bridge))?;
    let bridge = bridge.ok_or_else(|| {
        link("find the bridge", wiring.bridge)(io::Error::from(io::ErrorKind::NotFound))
    })?;
    File::create(wiring.netns).map_err(disk("create", wiring.netns))?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(link("make the network namespace", name.clone()))?;
    mount(
        Some("/proc/thread-self/ns/net"),
        wiring.netns,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(link("name the network namespace", name.clone()))?;
    let netns = File::open("/proc/thread-self/ns/net").map_err(disk("open", wiring.netns))?;
    host.add_veth(wiring.veth, bridge, INSIDE, netns.as_raw_fd())
        .map_err(link("make the link", wiring.veth))?;
    host.set_hairpin(wiring.veth)
        .map_err(link("set up the link", wiring.veth))?;
    let mut inside = Netlink::open().map_err(link("open a netlink socket in", name.clone()))?;
    configure(&mut inside, wiring).map_err(link("set up the network inside", name))
}

fn configure(inside: &mut Netlink, wiring: &Wiring<'_>) -> io::Result<()> {
    inside.set_up(LOOPBACK)?;
    let index = inside
        .index(INSIDE)?
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    // A /32 and a gateway: even neighbours are reached through the host, so every packet meets its
    // rules and answers find the way back.
    inside.set_address(index, wiring.address, 32)?;
    inside.set_up(index)?;
    inside.route_link(index, wiring.gateway)?;
    inside.route_default(index, wiring.gateway)
}

/// Whether the file names a namespace.
pub(super) fn is_named(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| stat.filesystem_type() == NSFS)
}

/// Takes away the name; the namespace goes with its last process.
pub(super) fn unname(path: &Path) -> Result<(), NetworkError> {
    while is_named(path) {
        umount2(path, MntFlags::MNT_DETACH).map_err(link("unmount", path.display().to_string()))?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("remove", path)(error)),
        _ => Ok(()),
    }
}
