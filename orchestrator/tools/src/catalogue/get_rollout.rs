//! `get_rollout`: how a rollout stands.

use crate::{
    answer::RolloutInfo,
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    lookup::{self, OneService, answer},
    rollout,
};

/// See the module.
pub struct GetRollout;

impl Describe for GetRollout {
    type Args = OneService;
    type Answer = RolloutInfo;
    const NAME: &'static str = "get_rollout";
    const TITLE: &'static str = "How a rollout stands";
    const DESCRIPTION: &'static str = "Shows how a new generation of a service comes in: its strategy, the stage (canary step, \
        preview, promoted) and since when, whether it is paused or waits to be promoted, what comes \
        next, when it goes back unless something happens, and which share of the traffic each \
        version gets.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let service = lookup::service(view, &args.service)?;
        let info = rollout::info(view, &args.service, service);
        answer(&info, About::service(&args.service))
    }
}
