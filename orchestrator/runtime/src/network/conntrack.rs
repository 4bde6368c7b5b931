//! Connections that the kernel remembers: those of an address that goes away are forgotten, or
//! clients of a service would be led to it until their entries time out.
//!
//! One message of `ctnetlink` with a filter (Linux 6.9; `linux/netfilter/nfnetlink_conntrack.h`).
//! Older kernels take it for a question about one connection, and find none.

use std::{io, net::Ipv4Addr};

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 1 << 8 | 2;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const FLAGS: u16 = 1 | 4;
/// `NLMSG_ERROR`, which acknowledges too.
const ANSWER: u16 = 2;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_IP_V4_SRC: u16 = 1;
/// The filter looks at the source address only.
const ONLY_SOURCE: u32 = 1;
const NESTED: u16 = 1 << 15;

/// Forgets every connection that is answered by this address. Returns whether the kernel did.
///
/// # Errors
/// When the kernel cannot be asked.
pub(super) fn forget(address: Ipv4Addr) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&message(address), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let word = |at: usize| {
        answer
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
    };
    let kind = word(4).map(u32::from_ne_bytes).unwrap_or_default();
    let code = word(16).map(i32::from_ne_bytes);
    match (u16::try_from(kind & 0xffff), code) {
        (Ok(ANSWER), Some(0)) => Ok(true),
        (Ok(ANSWER), Some(_)) => Ok(false),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn message(address: Ipv4Addr) -> Vec<u8> {
    let source = attribute(CTA_IP_V4_SRC, &address.octets());
    let tuple = attribute(CTA_TUPLE_IP | NESTED, &source);
    let flags = attribute(CTA_FILTER_REPLY_FLAGS, &ONLY_SOURCE.to_ne_bytes());
    // Family, version, resource.
    let family = u8::try_from(libc::AF_INET).unwrap_or_default();
    let mut body = vec![family, 0, 0, 0];
    body.extend(attribute(CTA_TUPLE_REPLY | NESTED, &tuple));
    body.extend(attribute(CTA_FILTER | NESTED, &flags));
    let mut message = Vec::new();
    let length = u32::try_from(body.len() + 16).unwrap_or_default();
    message.extend(length.to_ne_bytes());
    message.extend(DELETE.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Length, kind, content; contents here are whole words, so that nothing is padded.
fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 4).unwrap_or_default();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(content);
    bytes
}
