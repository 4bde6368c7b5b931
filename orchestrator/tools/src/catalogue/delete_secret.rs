//! `delete_secret`: delete a secret.

use ostler_core::{change::Change, intent::SecretKey};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup;

/// See the module.
pub struct DeleteSecret;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The secret's name, `namespace/name`.
    pub secret: SecretKey,
}

impl Describe for DeleteSecret {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "delete_secret";
    const TITLE: &'static str = "Delete a secret";
    const DESCRIPTION: &'static str = "Removes a secret. Refused in words when there is none. Services that mount it cannot start \
        new instances afterwards.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if !view.intent.secrets.contains_key(&args.secret) {
            let known = lookup::names(view.intent.secrets.keys());
            return Err(Refusal::new(format!(
                "there is no secret `{}`; secrets are: {known}",
                args.secret
            )));
        }
        Ok(Decided::Change(Change::DeleteSecret {
            secret: args.secret,
        }))
    }
}
