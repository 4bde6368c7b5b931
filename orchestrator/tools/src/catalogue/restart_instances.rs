//! `restart_instances`: restart some instances.

use ostler_core::{change::Change, id::InstanceId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup;

/// See the module.
pub struct RestartInstances;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Which instances, 1 to 100, all of one service.
    pub instances: Vec<InstanceId>,
}

impl Describe for RestartInstances {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "restart_instances";
    const TITLE: &'static str = "Restart some instances";
    const DESCRIPTION: &'static str = "Asks for a restart of the named instances, all of one service: the gentle cure for one that \
        hangs or leaks while the others serve.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;
    const IDEMPOTENT: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let Some(first) = args
            .instances
            .first()
            .filter(|_| args.instances.len() <= INSTANCES_LIMIT)
        else {
            return Err(Refusal::new(format!(
                "`instances` is empty or too long; name 1 to {INSTANCES_LIMIT}"
            )));
        };
        let service = lookup::instance(view, first)?.service.clone();
        for id in &args.instances {
            let other = &lookup::instance(view, id)?.service;
            if *other != service {
                let problem = format!(
                    "`{first}` is an instance of `{service}` and `{id}` of `{other}`; name instances of one service"
                );
                return Err(Refusal::new(problem));
            }
        }
        Ok(Decided::Change(Change::RestartInstances {
            service,
            instances: args.instances,
            at: view.now,
        }))
    }
}

/// Most instances of one call.
const INSTANCES_LIMIT: usize = 100;
