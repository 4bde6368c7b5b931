//! `create_token`: make a token.

use std::collections::BTreeSet;

use ostler_core::{id::ServiceName, time::Span};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::TokenMade,
    contract::{About, Class, Decided, Describe, Refusal},
    principal::Role,
    record::RecordChange,
    view::View,
};

/// See the module.
pub struct CreateToken;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its name: the user's name in the audit log. A DNS label.
    pub name: ServiceName,
    /// What it may be, at least one role.
    pub roles: BTreeSet<Role>,
    /// How long it is good; `30d` when absent, `365d` at most.
    pub expires_in: Option<Span>,
}

impl Describe for CreateToken {
    type Args = Args;
    type Answer = TokenMade;
    const NAME: &'static str = "create_token";
    const TITLE: &'static str = "Make a token";
    const DESCRIPTION: &'static str = "Makes a bearer token for the HTTP door. The token is answered once and kept nowhere; only \
        its hash is stored.";
    const CLASS: Class = Class::Admin;
    const IDEMPOTENT: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if args.roles.is_empty() {
            return Err(Refusal::new(
                "`roles` is empty; give at least one of viewer, operator, admin",
            ));
        }
        let span = args.expires_in.unwrap_or(Span::minutes(30 * 24 * 60));
        if span == Span(0) || span > Span::minutes(365 * 24 * 60) {
            return Err(Refusal::new(format!(
                "`expires_in` is {span}; give a span above zero, `365d` at most"
            )));
        }
        let name = args.name.to_string();
        if view
            .records
            .tokens
            .get(&name)
            .is_some_and(|token| token.expires_at > view.now)
        {
            return Err(Refusal::new(format!(
                "there is a token `{name}` already; revoke it first or take another name"
            )));
        }
        let roles = args.roles.into_iter().collect();
        let record = RecordChange::CreateToken {
            name,
            roles,
            expires: view.now + span,
        };
        Ok(Decided::Record {
            record,
            about: About::fleet(),
        })
    }
}
