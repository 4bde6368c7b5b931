//! `list_tokens`: tokens.

use crate::{
    answer::{TokenInfo, Tokens},
    contract::{About, Class, Decided, Describe, Refusal},
    record::Token,
    view::View,
};

use super::lookup::{Nothing, answer};

/// See the module.
pub struct ListTokens;

impl Describe for ListTokens {
    type Args = Nothing;
    type Answer = Tokens;
    const NAME: &'static str = "list_tokens";
    const TITLE: &'static str = "Tokens";
    const DESCRIPTION: &'static str = "Lists the bearer tokens of the HTTP door: name, roles, when each ends. Never secrets or \
        hashes.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        let info = |token: &Token| TokenInfo {
            name: token.name.clone(),
            roles: token.roles.clone(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            expired: token.expires_at <= view.now,
        };
        let tokens = view.records.tokens.values().map(info).collect();
        answer(&Tokens { tokens }, About::fleet())
    }
}
