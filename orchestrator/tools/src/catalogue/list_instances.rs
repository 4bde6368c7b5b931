//! `list_instances`: instances.

use ostler_core::{
    id::{Namespace, NodeName, ServiceKey},
    observed::InstanceSeen,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Instances,
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    build,
    lookup::{self, answer},
};

/// See the module.
pub struct ListInstances;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only instances of this service.
    pub service: Option<ServiceKey>,
    /// Only instances of services in this namespace.
    pub namespace: Option<Namespace>,
    /// Only instances on this node.
    pub node: Option<NodeName>,
}

impl Describe for ListInstances {
    type Args = Args;
    type Answer = Instances;
    const NAME: &'static str = "list_instances";
    const TITLE: &'static str = "Instances";
    const DESCRIPTION: &'static str = "Lists instances (running containers) with phase, readiness, whether traffic is sent to them, \
        attempts, how they last ended, and probe answers. Text that a workload wrote is pointed at \
        by each instance's `untrusted` list.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if let Some(key) = &args.service {
            lookup::service(view, key)?;
        }
        let wanted = |seen: &InstanceSeen| {
            args.service.as_ref().is_none_or(|key| &seen.service == key)
                && args
                    .namespace
                    .as_ref()
                    .is_none_or(|namespace| &seen.service.namespace == namespace)
                && args.node.as_ref().is_none_or(|node| &seen.node == node)
        };
        let all = view
            .world
            .observed
            .instances
            .iter()
            .filter(|(_, seen)| wanted(seen));
        let instances = all
            .map(|(id, seen)| build::instance(view, id, seen))
            .collect();
        let about = About {
            services: args.service.into_iter().collect(),
            namespace: args.namespace,
        };
        answer(&Instances { instances }, about)
    }
}
