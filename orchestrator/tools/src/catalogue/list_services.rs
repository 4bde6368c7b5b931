//! `list_services`: services at a glance.

use ostler_core::{
    id::{Namespace, ServiceKey},
    plan::ServiceState,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Services,
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{build, lookup::answer};

/// See the module.
pub struct ListServices;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only services of this namespace.
    pub namespace: Option<Namespace>,
    /// Only services in this state.
    pub state: Option<ServiceState>,
}

impl Describe for ListServices {
    type Args = Args;
    type Answer = Services;
    const NAME: &'static str = "list_services";
    const TITLE: &'static str = "Services at a glance";
    const DESCRIPTION: &'static str = "Lists services with their state, how many instances are wanted, running, ready and up to \
        date, their image, and what the rules found (crash loops, failed starts, waits for other \
        services, rollouts under way). States: healthy, progressing (on its way, nothing wrong), \
        degraded (takes traffic but not as wanted), down (should take traffic and does not), idle.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let state = |key: &ServiceKey| view.world.report.get(key).map(|status| status.state);
        let wanted = |key: &ServiceKey| {
            args.namespace
                .as_ref()
                .is_none_or(|namespace| &key.namespace == namespace)
                && args.state.is_none_or(|wanted| state(key) == Some(wanted))
        };
        let restarts = build::restarts(view);
        let services = view
            .intent
            .services
            .iter()
            .filter(|(key, _)| wanted(key))
            .map(|one| build::summary_of(view, one, restarts.get(one.0).copied().unwrap_or(0)))
            .collect();
        let found = Services {
            revision: view.intent.revision,
            services,
        };
        answer(
            &found,
            About {
                services: Vec::new(),
                namespace: args.namespace,
            },
        )
    }
}
