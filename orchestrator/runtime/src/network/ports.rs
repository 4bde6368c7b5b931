//! Ports of the host that are published, held so that no other process takes them meanwhile.
//!
//! A held port is bound but not listened on: while no instance is ready, the kernel refuses
//! connections to it, as clients expect.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::RangeInclusive,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt::ReuseAddr,
    },
};
use ostler_core::spec::Protocol;

/// The ports this process holds.
#[derive(Debug, Default)]
pub(super) struct Ports {
    held: BTreeMap<(Protocol, u16), OwnedFd>,
}

impl Ports {
    /// Whether a port is ours already or could be.
    pub(super) fn is_free(&self, protocol: Protocol, port: u16) -> bool {
        self.held.contains_key(&(protocol, port)) || take(protocol, port).is_ok()
    }

    pub(super) fn holds(&self, protocol: Protocol, port: u16) -> bool {
        self.held.contains_key(&(protocol, port))
    }

    /// Holds exactly the wanted ports; returns those that others have.
    pub(super) fn hold(&mut self, wanted: &BTreeSet<(Protocol, u16)>) -> Vec<u16> {
        self.held.retain(|port, _| wanted.contains(port));
        let mut taken = Vec::new();
        for (protocol, port) in wanted {
            if self.holds(*protocol, *port) {
                continue;
            }
            match take(*protocol, *port) {
                Ok(socket) => {
                    self.held.insert((*protocol, *port), socket);
                }
                Err(error) => {
                    tracing::warn!(port, %error, "a port cannot be published");
                    taken.push(*port);
                }
            }
        }
        taken
    }
}

/// What [`unused`] chooses from: above the ports of well-known services, below [`OUTGOING`] as kernels come.
const UNUSED: RangeInclusive<u16> = 20_000..=32_000;

/// What kernels choose the near ends of outgoing connections from, unless told otherwise.
const OUTGOING: RangeInclusive<u16> = 32_768..=60_999;

/// A TCP port that a service of this machine may publish: nobody has it, and where the machine leaves any such, no
/// outgoing connection will be given it before the service is started, as may happen to one of the kernel's own
/// choice (port 0). Thousands are given out before one comes again.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when none is left.
pub fn unused() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let all = UNUSED.end() - UNUSED.start();
    // Processes that choose at the same time begin at different places.
    let first = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(all)).unwrap_or(0);
    let next = || UNUSED.start() + (first + NEXT.fetch_add(1, Relaxed) % all) % all;
    let is_free = |port: &u16| take(Protocol::Tcp, *port).is_ok();
    let mut kept = (0..all)
        .map(|_| next())
        .filter(|port| outgoing(*port).is_none());
    let free = kept
        .find(is_free)
        .or_else(|| (0..all).map(|_| next()).find(is_free));
    free.ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

/// The ports of this machine's outgoing connections, where one of them is this.
pub(super) fn outgoing(port: u16) -> Option<RangeInclusive<u16>> {
    let told = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let ends = told.and_then(|told| {
        let mut ends = told.split_whitespace().map(str::parse);
        Some(ends.next()?.ok()?..=ends.next()?.ok()?)
    });
    Some(ends.unwrap_or(OUTGOING)).filter(|range| range.contains(&port))
}

fn take(protocol: Protocol, port: u16) -> nix::Result<OwnedFd> {
    match bind_any(protocol, port, false) {
        // Old connections that wait to be forgotten are no reason to refuse; a listener is.
        Err(Errno::EADDRINUSE) if protocol == Protocol::Tcp => bind_any(protocol, port, true),
        outcome => outcome,
    }
}

fn bind_any(protocol: Protocol, port: u16, reuse: bool) -> nix::Result<OwnedFd> {
    let kind = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
    };
    let socket = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, ReuseAddr, &reuse)?;
    let any = SockaddrIn::new(0, 0, 0, 0, port);
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &any)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::{super::NetworkError, *};

    #[test]
    fn a_port_with_a_listener_is_taken_and_a_held_one_is_ours() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut ports = Ports::default();
        let wanted: BTreeSet<_> = [(Protocol::Tcp, port)].into();
        assert!(!ports.is_free(Protocol::Tcp, port));
        assert_eq!(ports.hold(&wanted), [port]);
        drop(listener);
        assert!(ports.hold(&wanted).is_empty());
        assert!(ports.is_free(Protocol::Tcp, port));
        assert!(
            TcpListener::bind(("0.0.0.0", port)).is_err(),
            "no one else gets it"
        );
        ports.hold(&BTreeSet::new());
        assert!(TcpListener::bind(("0.0.0.0", port)).is_ok());
    }

    #[test]
    fn an_unused_port_is_free_and_comes_once_and_is_no_near_end_of_a_connection() {
        let ports: Vec<_> = (0..50).map(|_| unused().unwrap()).collect();
        let different: BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), ports.len());
        assert!(ports.iter().all(|port| UNUSED.contains(port)));
        let widened = outgoing(*UNUSED.start()).is_some();
        assert!(
            ports
                .iter()
                .all(|port| widened || outgoing(*port).is_none())
        );
        assert!(TcpListener::bind(("0.0.0.0", ports[0])).is_ok());
    }

    #[test]
    fn a_port_that_an_outgoing_connection_has_is_taken_and_the_error_says_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        assert!(!Ports::default().is_free(Protocol::Tcp, port));
        let words = NetworkError::PortTaken(port).problem().detail;
        assert!(words.contains("ip_local_reserved_ports"), "{words}");
        let words = NetworkError::PortTaken(*UNUSED.start()).problem().detail;
        assert!(!words.contains("ip_local_reserved_ports"), "{words}");
    }
}
