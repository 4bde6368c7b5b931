//! What must hold for a whole intent, whichever change led to it.

use std::collections::BTreeMap;

use super::Refused;
use crate::{
    graph::{self, Graph},
    id::ServiceKey,
    intent::Intent,
    spec::Protocol,
};

/// Needs exist and form no cycle; published ports belong to one service each.
pub(super) fn whole(intent: &Intent) -> Result<(), Refused> {
    needs_exist(intent)?;
    Graph::of(intent)
        .acyclic()
        .map_err(|cycle| Refused::Cycle {
            cycle: cycle.to_string(),
        })?;
    ports_are_unique(intent)
}

fn needs_exist(intent: &Intent) -> Result<(), Refused> {
    for (key, service) in &intent.services {
        for need in graph::needs(key, &service.spec) {
            if !intent.services.contains_key(&need) {
                return Err(Refused::MissingNeed {
                    service: key.clone(),
                    need,
                });
            }
        }
    }
    Ok(())
}

fn ports_are_unique(intent: &Intent) -> Result<(), Refused> {
    let mut taken: BTreeMap<(u16, Protocol), &ServiceKey> = BTreeMap::new();
    for (port, protocol, key) in intent.published_ports() {
        if let Some(first) = taken.insert((port, protocol), key) {
            return Err(Refused::PortTaken {
                port,
                first: first.clone(),
                second: key.clone(),
            });
        }
    }
    Ok(())
}
