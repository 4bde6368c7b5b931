//! `verify_images`: read images and compare.

use crate::{
    answer::Damages,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup::Nothing;

/// See the module.
pub struct VerifyImages;

impl Describe for VerifyImages {
    type Args = Nothing;
    type Answer = Damages;
    const NAME: &'static str = "verify_images";
    const TITLE: &'static str = "Verify images";
    const DESCRIPTION: &'static str = "Reads every layer of every image in the daemon's store and compares it with what was unpacked, \
        every byte. Damaged layers are named and no longer used: the next start that needs one fetches \
        it again from its registry, or says that the image must be imported again. Containers that run \
        go on. Takes as long as reading the images takes.";
    const CLASS: Class = Class::Act;

    fn decide(_view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        Ok(Decided::Query {
            query: Query::VerifyImages,
            about: About::fleet(),
        })
    }
}
