//! `revoke_token`: revoke a token.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::TokenMade,
    contract::{About, Class, Decided, Describe, Refusal},
    record::RecordChange,
    view::View,
};

use super::lookup;

/// See the module.
pub struct RevokeToken;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The token's name.
    pub name: String,
}

impl Describe for RevokeToken {
    type Args = Args;
    type Answer = TokenMade;
    const NAME: &'static str = "revoke_token";
    const TITLE: &'static str = "Revoke a token";
    const DESCRIPTION: &'static str = "Ends a bearer token at once.";
    const CLASS: Class = Class::Admin;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if !view.records.tokens.contains_key(&args.name) {
            let known = lookup::names(view.records.tokens.keys());
            return Err(Refusal::new(format!(
                "there is no token `{}`; tokens are: {known}",
                args.name
            )));
        }
        let record = RecordChange::RevokeToken { name: args.name };
        Ok(Decided::Record {
            record,
            about: About::fleet(),
        })
    }
}
