//! `upgrade_service`: bring another version of a service's image in.

use ostler_core::{change::Change, id::ServiceKey, spec::Strategy};
use ostler_upgrades::image::Image;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup;

/// Its name, which others look for in proposals.
pub const NAME: &str = "upgrade_service";

/// See the module.
pub struct UpgradeService;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// The image: the same repository's, with a digest, such as `registry.example/shop/cart:1.3@sha256:…`.
    pub image: String,
    /// How it comes in: `rolling`, `recreate`, `canary: {…}` or `blueGreen: {…}`; as the manifest says when
    /// absent.
    pub strategy: Option<Strategy>,
}

impl Describe for UpgradeService {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = NAME;
    const TITLE: &'static str = "Bring another version in";
    const DESCRIPTION: &'static str = "Gives a service another version of its image, and its rollout a strategy if one is named; all \
        else of the service stays as it is. The image is of the same repository and named by digest, \
        so that what is judged is what runs. For another repository or anything else use \
        `apply_services`. `list_upgrades` shows what there is.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let service = lookup::service(view, &args.service)?;
        let (runs, wanted) = (Image::read(&service.spec.image), Image::read(&args.image));
        if wanted.repository != runs.repository {
            return Err(Refusal::new(format!(
                "`{}` is of another repository than `{}`; use `apply_services` for that",
                shown(&args.image),
                runs.repository
            )));
        }
        if wanted.digest.is_none() {
            return Err(Refusal::new(format!(
                "`{}` has no digest; name what is meant, such as `{}:{}@sha256:…`",
                shown(&args.image),
                runs.repository,
                wanted.tag.as_deref().map_or_else(|| "1.3".into(), shown)
            )));
        }
        Ok(Decided::Change(Change::UpgradeService {
            service: args.service,
            image: args.image,
            strategy: args.strategy,
        }))
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
