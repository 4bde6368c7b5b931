//! `restart_service`: restart all instances of a service.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, OneService};

/// See the module.
pub struct RestartService;

impl Describe for RestartService {
    type Args = OneService;
    type Answer = Changed;
    const NAME: &'static str = "restart_service";
    const TITLE: &'static str = "Restart all instances of a service";
    const DESCRIPTION: &'static str = "Asks for a restart of every instance of a service. Restarts do not cure a failing dependency \
        or a bad change; to restart only one instance that hangs, use `restart_instances`.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;
    const IDEMPOTENT: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::service(view, &args.service)?;
        let instances: Vec<_> = view
            .instances_of(&args.service)
            .map(|(id, _)| id.clone())
            .collect();
        if instances.is_empty() {
            return Err(Refusal::new(format!(
                "service `{}` has no instances to restart",
                args.service
            )));
        }
        Ok(Decided::Change(Change::RestartInstances {
            service: args.service,
            instances,
            at: view.now,
        }))
    }
}
