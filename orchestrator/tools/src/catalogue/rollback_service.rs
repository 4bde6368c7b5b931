//! `rollback_service`: go back to an earlier generation.

use ostler_core::{
    change::Change,
    id::{Generation, ServiceKey},
    intent::Service,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup;

/// See the module.
pub struct RollbackService;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// The generation to go back to.
    pub generation: Option<Generation>,
}

impl Describe for RollbackService {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "rollback_service";
    const TITLE: &'static str = "Go back to an earlier generation";
    const DESCRIPTION: &'static str = "Puts a service back to the spec of an earlier generation, as a new generation that \
        comes in at once, without the steps of its strategy. Without `generation`: the last one whose rollout finished, or else the one \
        before. `get_service` shows the generations and what going back changes.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let service = lookup::service(view, &args.service)?;
        let Some(to) = args.generation.or_else(|| default_target(service)) else {
            let problem = format!(
                "service `{}` has no earlier generation to go back to",
                args.service
            );
            return Err(Refusal::new(problem));
        };
        Ok(Decided::Change(Change::RollbackService {
            service: args.service,
            to,
        }))
    }
}

/// The last good generation while the current one is unsettled, else the one before.
fn default_target(service: &Service) -> Option<Generation> {
    let stable = service.stable.as_ref().filter(|_| !service.settled);
    stable
        .or(service.history.first())
        .map(|past| past.generation)
}
