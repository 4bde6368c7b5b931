//! `set_limits`: set limits of CPU, memory, processes.

use ostler_core::{
    change::Change,
    id::ServiceKey,
    spec::Amounts,
    units::{Bytes, MilliCpu},
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
pub struct SetLimits;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// Most CPU, such as `500m`.
    pub cpu: Option<MilliCpu>,
    /// Most memory, such as `256Mi`.
    pub memory: Option<Bytes>,
    /// Most processes and threads.
    pub pids: Option<u32>,
}

impl Describe for SetLimits {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "set_limits";
    const TITLE: &'static str = "Set limits of CPU, memory, processes";
    const DESCRIPTION: &'static str = "Sets the limits of a service's instances; what is absent stays as it is. What runs gets \
        them in place, without a restart; limits that fall go around a few instances at a time, and \
        none falls below the memory in use. What is down starts with them. CPU in thousandths such as `250m` or CPUs such as `0.5`, memory such as \
        `256Mi`. Raise the memory limit after an out-of-memory kill only if usage is legitimate; a \
        leak comes back.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let now = lookup::service(view, &args.service)?.spec.resources.limits;
        if args.cpu.is_none() && args.memory.is_none() && args.pids.is_none() {
            return Err(Refusal::new(
                "give at least one of `cpu`, `memory` and `pids`",
            ));
        }
        let limits = Amounts {
            cpu: args.cpu.or(now.cpu),
            memory: args.memory.or(now.memory),
            pids: args.pids.or(now.pids),
        };
        Ok(Decided::Change(Change::SetLimits {
            service: args.service,
            limits,
        }))
    }
}
