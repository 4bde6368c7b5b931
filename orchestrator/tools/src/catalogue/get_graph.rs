//! `get_graph`: who needs whom.

use std::collections::BTreeSet;

use ostler_core::{graph, id::ServiceKey};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::{Graph, GraphEdge, GraphNode},
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, answer};

/// See the module.
pub struct GetGraph;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only this service's surroundings.
    pub service: Option<ServiceKey>,
}

impl Describe for GetGraph {
    type Args = Args;
    type Answer = Graph;
    const NAME: &'static str = "get_graph";
    const TITLE: &'static str = "Who needs whom";
    const DESCRIPTION: &'static str = "Shows services and their needs as a graph, with each service's state and blast radius (how \
        many services need it, directly or not). With `service`, only that one with everything it \
        needs and everything that needs it. A failing service that others need is often the culprit; \
        those that need it are victims.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if let Some(key) = &args.service {
            lookup::service(view, key)?;
        }
        let graph = graph::Graph::of(view.intent);
        let mut shown: BTreeSet<&ServiceKey> = view.intent.services.keys().collect();
        if let Some(key) = &args.service {
            let near: BTreeSet<_> = graph
                .dependencies(key)
                .into_iter()
                .chain(graph.dependents(key))
                .collect();
            shown.retain(|other| *other == key || near.contains(other));
        }
        let node = |key: &ServiceKey| GraphNode {
            service: key.clone(),
            state: view.world.report.get(key).map(|status| status.state),
            blast_radius: u32::try_from(graph.dependents(key).len()).unwrap_or(u32::MAX),
        };
        let services = shown.iter().map(|key| node(key)).collect();
        let needs = shown.iter().flat_map(|key| edges(view, key)).collect();
        let about = args
            .service
            .as_ref()
            .map_or_else(About::fleet, About::service);
        answer(&Graph { services, needs }, about)
    }
}

fn edges(view: &View<'_>, key: &ServiceKey) -> Vec<GraphEdge> {
    let needs = view
        .intent
        .services
        .get(key)
        .map(|service| service.spec.needs.as_slice());
    let edge = |need: &ostler_core::spec::Need| GraphEdge {
        service: key.clone(),
        needs: ServiceKey::new(key.namespace.clone(), need.service.clone()),
        until: need.until,
    };
    needs.unwrap_or_default().iter().map(edge).collect()
}
