//! What the proxy is told: which fronts there are, and which instances of which versions are behind
//! each, with which weights.

use std::net::SocketAddr;

use ostler_core::id::{Generation, InstanceId, ServiceKey};
use serde::{Deserialize, Serialize};

/// Every front.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// In no order; a front that is twice here is taken as it was last said.
    pub fronts: Vec<Front>,
}

/// One port of a service. Proxies of other versions say it too, perhaps with more to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrontKey {
    /// Whose.
    pub service: ServiceKey,
    /// Its number inside the service's containers.
    pub port: u16,
}

/// What is behind a front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Front {
    /// Which.
    pub key: FrontKey,
    /// Versions that take traffic; without any, requests are answered 503.
    pub versions: Vec<Version>,
}

/// One version's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Its generation, under which its requests are counted.
    pub generation: Generation,
    /// Its share, compared with those of the other versions. Zero gets nothing.
    pub weight: u32,
    /// Who answers for it.
    pub instances: Vec<Instance>,
}

/// An instance's port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Which.
    pub id: InstanceId,
    /// Where it listens.
    pub address: SocketAddr,
}
