//! `create_console_session`: a link by which the person who asks signs in to the console, once.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::ConsoleLink,
    contract::{About, Class, Decided, Describe, Refusal},
    principal::{Principal, Role},
    query::Query,
    view::View,
};

/// See the module.
pub struct CreateConsoleSession;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The most that the session may be; all that the caller is when absent. It never widens that.
    pub role: Option<Role>,
}

impl Describe for CreateConsoleSession {
    type Args = Args;
    type Answer = ConsoleLink;
    const NAME: &'static str = "create_console_session";
    const TITLE: &'static str = "Sign in to the console";
    const DESCRIPTION: &'static str = "Makes a link by which the person who asks signs in to the console in a browser: once, within \
        five minutes, as themselves, with at most the roles that they have here. For people only: no \
        agent and no assistant gets one. Its secret is answered once; only its hash is kept, in memory.";
    const CLASS: Class = Class::Admin;
    const IDEMPOTENT: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let Principal::User { roles, .. } = view.caller else {
            return Err(Refusal::new(
                "only a person signs in to the console, as themselves",
            ));
        };
        let most = args.role.unwrap_or(Role::Admin);
        let roles: Vec<Role> = roles
            .iter()
            .filter(|role| **role <= most)
            .copied()
            .collect();
        if roles.is_empty() {
            return Err(Refusal::new(format!(
                "you have no role up to `{}` that the session could have",
                most.as_str()
            )));
        }
        Ok(Decided::Query {
            query: Query::ConsoleLink { roles },
            about: About::fleet(),
        })
    }
}
