//! `list_images`: images.

use crate::{
    answer::Images,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup::Nothing;

/// See the module.
pub struct ListImages;

impl Describe for ListImages {
    type Args = Nothing;
    type Answer = Images;
    const NAME: &'static str = "list_images";
    const TITLE: &'static str = "Images";
    const DESCRIPTION: &'static str = "Lists the images in the daemon's store: name, digest of the manifest, unpacked size in \
        bytes.";
    const CLASS: Class = Class::Read;

    fn decide(_view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        Ok(Decided::Query {
            query: Query::Images,
            about: About::fleet(),
        })
    }
}
