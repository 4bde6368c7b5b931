//! `get_instance`: one instance.

use crate::{
    answer::InstanceInfo,
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    build,
    lookup::{self, OneInstance, answer},
};

/// See the module.
pub struct GetInstance;

impl Describe for GetInstance {
    type Args = OneInstance;
    type Answer = InstanceInfo;
    const NAME: &'static str = "get_instance";
    const TITLE: &'static str = "One instance";
    const DESCRIPTION: &'static str = "Shows one instance: phase, attempts, its last sixteen ends with exit code, signal and \
        out-of-memory kills, probe answers, address and node. Logs come from `read_logs`, CPU and \
        memory from `query_signals`.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let seen = lookup::instance(view, &args.instance)?;
        let info = build::instance(view, &args.instance, seen);
        answer(&info, About::service(&seen.service))
    }
}
