//! `collect_images`: remove unused images.

use crate::{
    answer::Freed,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup::Nothing;

/// See the module.
pub struct CollectImages;

impl Describe for CollectImages {
    type Args = Nothing;
    type Answer = Freed;
    const NAME: &'static str = "collect_images";
    const TITLE: &'static str = "Remove unused images";
    const DESCRIPTION: &'static str = "Removes images and layers from the daemon's store that no service and no instance uses. They \
        are fetched again when needed, if a registry has them.";
    const CLASS: Class = Class::Act;
    const DESTRUCTIVE: bool = true;

    fn decide(_view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        Ok(Decided::Query {
            query: Query::CollectGarbage,
            about: About::fleet(),
        })
    }
}
