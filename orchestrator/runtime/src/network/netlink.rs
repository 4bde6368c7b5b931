//! Talking to the kernel about links, addresses and routes, one request at a time.
//!
//! A socket belongs to the network namespace of the thread that opened it, for good. That is why
//! this is synchronous: short-lived threads enter a namespace, ask, and end.

use std::{io, net::Ipv4Addr, os::fd::RawFd};

use rtnetlink::{
    AddressMessageBuilder, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth,
    RouteMessageBuilder,
    packet_core::{
        NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
        NetlinkPayload,
    },
    packet_route::{
        RouteNetlinkMessage,
        link::{
            InfoBridgePort, InfoData, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
            LinkMessage,
        },
        route::RouteScope,
    },
    sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE},
};

const MAKE: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// A connection to the kernel, bound to one network namespace.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends one request and returns the message it answers with, if any.
    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        let mut request = NetlinkMessage::from(message);
        self.sequence = self.sequence.wrapping_add(1);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut bytes = vec![0u8; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let mut answer = None;
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(io::Error::other)?;
                let length = usize::try_from(message.header.length)
                    .unwrap_or(usize::MAX)
                    .max(16);
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answer),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(inner) => answer = Some(inner),
                    NetlinkPayload::Done(_) => return Ok(answer),
                    _ => {}
                }
            }
        }
    }

    /// The index of a link; `None` when there is none by that name.
    pub(super) fn index(&mut self, name: &str) -> io::Result<Option<u32>> {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        match self.ask(RouteNetlinkMessage::GetLink(message), 0) {
            Ok(Some(RouteNetlinkMessage::NewLink(link))) => Ok(Some(link.header.index)),
            Ok(_) => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let message = LinkBridge::new(name).up().build();
        self.ask(RouteNetlinkMessage::NewLink(message), MAKE)
            .map(drop)
    }

    /// A pair of links: `name` on the bridge, up, and `peer` in the other namespace.
    pub(super) fn add_veth(
        &mut self,
        name: &str,
        bridge: u32,
        peer: &str,
        netns: RawFd,
    ) -> io::Result<()> {
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(peer.to_owned())
            .setns_by_fd(netns)
            .build();
        let message = LinkMessageBuilder::<LinkVeth>::new(name, "")
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .controller(bridge)
            .up()
            .build();
        self.ask(RouteNetlinkMessage::NewLink(message), MAKE)
            .map(drop)
    }

    /// Lets a bridge port send back what came from it: an instance that calls its own service.
    pub(super) fn set_hairpin(&mut self, name: &str) -> io::Result<()> {
        let message = LinkMessageBuilder::<LinkUnspec>::new()
            .name(name.to_owned())
            .set_port_kind(InfoPortKind::Bridge)
            .set_port_data(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(
                true,
            )]))
            .build();
        self.ask(RouteNetlinkMessage::NewLink(message), 0).map(drop)
    }

    pub(super) fn set_up(&mut self, index: u32) -> io::Result<()> {
        let message = LinkMessageBuilder::<LinkUnspec>::new()
            .index(index)
            .up()
            .build();
        self.ask(RouteNetlinkMessage::SetLink(message), 0).map(drop)
    }

    /// Removes a link; one that is gone already is fine.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let Some(index) = self.index(name)? else {
            return Ok(());
        };
        let message = LinkMessageBuilder::<LinkUnspec>::new().index(index).build();
        match self.ask(RouteNetlinkMessage::DelLink(message), 0) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    pub(super) fn set_address(
        &mut self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    ) -> io::Result<()> {
        let message = AddressMessageBuilder::<Ipv4Addr>::new()
            .index(index)
            .address(address, prefix)
            .build();
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.ask(RouteNetlinkMessage::NewAddress(message), flags)
            .map(drop)
    }

    /// Makes an address directly reachable through a link.
    pub(super) fn route_link(&mut self, index: u32, address: Ipv4Addr) -> io::Result<()> {
        let message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(address, 32)
            .output_interface(index)
            .scope(RouteScope::Link)
            .build();
        self.ask(RouteNetlinkMessage::NewRoute(message), MAKE)
            .map(drop)
    }

    /// Sends everything else to a gateway.
    pub(super) fn route_default(&mut self, index: u32, gateway: Ipv4Addr) -> io::Result<()> {
        let message = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(Ipv4Addr::UNSPECIFIED, 0)
            .gateway(gateway)
            .output_interface(index)
            .build();
        self.ask(RouteNetlinkMessage::NewRoute(message), MAKE)
            .map(drop)
    }
}
