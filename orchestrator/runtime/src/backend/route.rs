//! The route table: which instances stand behind a service.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
};

use ostler_core::{id::ServiceKey, spec::Protocol};

/// Where names lead and which instances take traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// Every service.
    pub services: BTreeMap<ServiceKey, Route>,
}

/// One service's way in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// Addresses of instances that take traffic.
    pub backends: Vec<Ipv4Addr>,
    /// Its ports.
    pub ports: Vec<RoutePort>,
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePort {
    /// The port inside the container, and on the service's own address.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The host's port that leads here.
    pub publish: Option<u16>,
    /// Who takes what arrives at that port of the host, instead of the instances: a proxy of this machine.
    pub via: Option<SocketAddrV4>,
}
