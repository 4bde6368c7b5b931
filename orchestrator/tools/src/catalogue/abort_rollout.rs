//! `abort_rollout`: leave a new version and go back to the last good one.

use ostler_core::change::{Change, Refused};

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    lookup,
    rollout::{OneRollout, meant},
};

/// See the module.
pub struct AbortRollout;

impl Describe for AbortRollout {
    type Args = OneRollout;
    type Answer = Changed;
    const NAME: &'static str = "abort_rollout";
    const TITLE: &'static str = "Leave a new version";
    const DESCRIPTION: &'static str = "Ends a rollout that is under way: the service goes back to its last good generation at \
        once, whatever stage it is in. What still runs of that is used as it is. Refused when \
        nothing rolls out; `rollback_service` goes back from a settled generation.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let generation = meant(view, &args)?;
        let service = lookup::service(view, &args.service)?;
        let refused = |refused: Refused| Refusal::new(refused.to_string());
        let Some(stable) = service.stable.as_ref().filter(|_| service.rolls_out()) else {
            return Err(refused(Refused::NoRollout {
                service: args.service,
            }));
        };
        if service.generation != generation {
            return Err(refused(Refused::AnotherRollout {
                service: args.service,
                generation,
                current: service.generation,
            }));
        }
        Ok(Decided::Change(Change::RollbackService {
            service: args.service,
            to: stable.generation,
        }))
    }
}
