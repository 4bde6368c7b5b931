//! `list_nodes`: nodes.

use ostler_core::{
    id::NodeName,
    observed::NodeSeen,
    units::{Bytes, MilliCpu},
};

use crate::{
    answer::{NodeInfo, Nodes},
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{Nothing, answer};

/// See the module.
pub struct ListNodes;

impl Describe for ListNodes {
    type Args = Nothing;
    type Answer = Nodes;
    const NAME: &'static str = "list_nodes";
    const TITLE: &'static str = "Nodes";
    const DESCRIPTION: &'static str = "Lists the machines that run instances: whether each answers, its CPU and memory, what its \
        instances reserve, and whether it is cordoned (takes no new instances) or draining (is being \
        emptied).";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        let nodes = view
            .world
            .observed
            .nodes
            .iter()
            .map(|(name, seen)| info(view, name, seen))
            .collect();
        answer(&Nodes { nodes }, About::fleet())
    }
}

fn info(view: &View<'_>, name: &NodeName, seen: &NodeSeen) -> NodeInfo {
    let mut info = NodeInfo {
        node: name.clone(),
        seen: seen.clone(),
        cordoned: view.intent.cordoned.contains(name),
        draining: view.intent.draining.contains(name),
        instances: 0,
        reserved_cpu: MilliCpu(0),
        reserved_memory: Bytes(0),
    };
    for on_it in view
        .world
        .observed
        .instances
        .values()
        .filter(|on_it| &on_it.node == name)
    {
        info.instances = info.instances.saturating_add(1);
        info.reserved_cpu.0 = info.reserved_cpu.0.saturating_add(on_it.cpu.0);
        info.reserved_memory.0 = info.reserved_memory.0.saturating_add(on_it.memory.0);
    }
    info
}
