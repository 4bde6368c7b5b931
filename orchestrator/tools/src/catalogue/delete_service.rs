//! `delete_service`: delete a service.

use ostler_core::change::Change;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{self, OneService};

/// See the module.
pub struct DeleteService;

impl Describe for DeleteService {
    type Args = OneService;
    type Answer = Changed;
    const NAME: &'static str = "delete_service";
    const TITLE: &'static str = "Delete a service";
    const DESCRIPTION: &'static str = "Removes a service and its instances. Refused while other services need it. Its named volumes \
        stay.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::service(view, &args.service)?;
        Ok(Decided::Change(Change::DeleteService {
            service: args.service,
        }))
    }
}
