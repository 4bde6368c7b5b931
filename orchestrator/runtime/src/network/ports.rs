//! Ports of the host that are published, held so that no other process takes them meanwhile.
//!
//! A held port is bound but not listened on: while no instance is ready, the kernel refuses
//! connections to it, as clients expect.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::OwnedFd,
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
    use std::net::TcpListener;

    use super::*;

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
}
