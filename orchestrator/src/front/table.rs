//! What the proxy is to serve: from the intent and what was seen. Pure.

use std::net::SocketAddr;

use ostler_core::{
    id::{InstanceId, ServiceKey},
    intent::{Intent, Service},
    observed::Observed,
    spec::Port,
    traffic::{self, Version as Share},
};
use ostler_proxy::{Front, FrontKey, Instance, Table, Version};

/// A front for each published port that speaks HTTP, with whoever takes the service's traffic.
pub fn table_of(intent: &Intent, observed: &Observed) -> Table {
    let of_service = |(key, service): (&ServiceKey, &Service)| {
        let ports = service.spec.ports.iter().filter(|port| port.is_proxied());
        let ports: Vec<&Port> = ports.collect();
        if ports.is_empty() {
            return Vec::new();
        }
        let shares = traffic::of_service(key, service, observed);
        let front = |port: &&Port| Front {
            key: FrontKey {
                service: key.clone(),
                port: port.port,
            },
            versions: shares
                .iter()
                .map(|share| version(share, port.port, observed))
                .collect(),
        };
        ports.iter().map(front).collect::<Vec<_>>()
    };
    Table {
        fronts: intent.services.iter().flat_map(of_service).collect(),
    }
}

fn version(share: &Share, port: u16, observed: &Observed) -> Version {
    let instance = |id: &InstanceId| {
        let address = observed.instances.get(id)?.address?;
        Some(Instance {
            id: id.clone(),
            address: SocketAddr::from((address, port)),
        })
    };
    Version {
        generation: share.generation,
        weight: share.weight,
        instances: share.instances.iter().filter_map(instance).collect(),
    }
}
