//! `import_image`: import an image.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Images,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup;

/// See the module.
pub struct ImportImage;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Absolute path on the daemon's machine.
    pub path: String,
    /// The name to give it; the layout's own names when absent.
    pub name: Option<String>,
}

impl Describe for ImportImage {
    type Args = Args;
    type Answer = Images;
    const NAME: &'static str = "import_image";
    const TITLE: &'static str = "Import an image";
    const DESCRIPTION: &'static str = "Brings an image from a file or directory of the daemon's machine into its store: an OCI \
        layout directory or archive. Content is checked against its digests; nothing is kept when it \
        does not match.";
    const CLASS: Class = Class::Act;

    fn decide(_view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if !args.path.starts_with('/') || args.path.len() > 4096 {
            return Err(Refusal::new(format!(
                "`path` is `{}`; give an absolute path on the daemon's machine",
                args.path
            )));
        }
        if let Some(name) = &args.name {
            lookup::text("name", name, 255)?;
        }
        let query = Query::ImportImage {
            path: args.path,
            name: args.name,
        };
        Ok(Decided::Query {
            query,
            about: About::fleet(),
        })
    }
}
