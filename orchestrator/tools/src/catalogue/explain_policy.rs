//! `explain_policy`: how policy would decide.

use ostler_core::id::InvalidName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Explanation,
    catalogue,
    contract::{About, Class, Decided, Describe, Refusal},
    principal::{Principal, Role},
    query::Query,
    view::View,
};

/// See the module.
pub struct ExplainPolicy;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The tool that would be called.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// As whom: `user:NAME`, `assistant:NAME` or `agent:NAME`; the caller when absent.
    pub principal: Option<String>,
    /// With `assistant:NAME`, or `user:NAME` that has no token: the roles to assume.
    #[serde(default)]
    pub roles: Vec<Role>,
}

impl Describe for ExplainPolicy {
    type Args = Args;
    type Answer = Explanation;
    const NAME: &'static str = "explain_policy";
    const TITLE: &'static str = "How policy would decide";
    const DESCRIPTION: &'static str = "Tells how policy would decide a call now, without making it: allow, needs_approval (and \
        whose), or deny, with the policies that speak and the facts they were given.";
    const CLASS: Class = Class::Read;
    const CARRIES_CALLS: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if catalogue::find(&args.tool).is_none() {
            return Err(Refusal::new(format!("there is no tool `{}`", args.tool)));
        }
        let principal = args
            .principal
            .as_deref()
            .map(|text| principal(view, text, &args.roles))
            .transpose()?;
        let arguments = serde_json::Value::Object(args.arguments).to_string();
        let query = Query::ExplainPolicy {
            principal,
            tool: args.tool,
            arguments,
        };
        Ok(Decided::Query {
            query,
            about: About::fleet(),
        })
    }
}

fn principal(view: &View<'_>, text: &str, roles: &[Role]) -> Result<Principal, Refusal> {
    match text.split_once(':') {
        Some(("agent", name)) => {
            let name = name
                .parse()
                .map_err(|error: InvalidName| Refusal::new(error.to_string()))?;
            Ok(Principal::Agent { name })
        }
        Some(("assistant", name)) => Ok(Principal::Assistant {
            of: name.to_owned(),
            roles: roles.to_vec(),
        }),
        Some(("user", name)) => {
            let token = view.records.tokens.get(name);
            let roles = token.map_or_else(|| roles.to_vec(), |token| token.roles.clone());
            Ok(Principal::User {
                name: name.to_owned(),
                roles,
            })
        }
        _ => Err(Refusal::new(format!(
            "`{text}` is not a principal; write `user:NAME`, `assistant:NAME` or `agent:NAME`"
        ))),
    }
}
