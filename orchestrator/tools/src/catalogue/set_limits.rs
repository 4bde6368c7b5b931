//! `set_limits`: set limits of CPU, memory, processes, and what is reserved of CPU and memory.

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
    /// CPU to reserve, at most the limit.
    pub cpu_request: Option<MilliCpu>,
    /// Memory to reserve, at most the limit.
    pub memory_request: Option<Bytes>,
}

impl Args {
    fn limits(&self, now: Amounts) -> Option<Amounts> {
        let given = self.cpu.is_some() || self.memory.is_some() || self.pids.is_some();
        given.then_some(Amounts {
            cpu: self.cpu.or(now.cpu),
            memory: self.memory.or(now.memory),
            pids: self.pids.or(now.pids),
        })
    }

    fn requests(&self, now: Amounts) -> Option<Amounts> {
        let given = self.cpu_request.is_some() || self.memory_request.is_some();
        given.then_some(Amounts {
            cpu: self.cpu_request.or(now.cpu),
            memory: self.memory_request.or(now.memory),
            pids: now.pids,
        })
    }
}

impl Describe for SetLimits {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "set_limits";
    const TITLE: &'static str = "Set limits and requests of CPU and memory";
    const DESCRIPTION: &'static str = "Sets limits of a service's instances, and what they reserve (requests); what is absent \
        stays as it is. What runs gets them in place, without a restart; limits that fall go around \
        a few instances at a time, and none falls below the memory in use. What is down starts with \
        them. CPU in thousandths such as `250m` or CPUs such as `0.5`, memory such as `256Mi`. Raise the memory limit after an out-of-memory kill only if usage is legitimate; a \
        leak comes back.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let now = lookup::service(view, &args.service)?.spec.resources;
        let (limits, requests) = (args.limits(now.limits), args.requests(now.requests));
        if limits.is_none() && requests.is_none() {
            return Err(Refusal::new(
                "give at least one of `cpu`, `memory`, `pids`, `cpu_request` and `memory_request`",
            ));
        }
        Ok(Decided::Change(Change::SetLimits {
            service: args.service,
            limits: limits.unwrap_or(now.limits),
            requests,
        }))
    }
}
