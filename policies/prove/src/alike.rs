//! Which environments put the same question: the action is a constant there, so two actions of the
//! same classes that the same policies admit, and no condition names, differ in nothing but a name. The
//! same goes for the kind of thing, where no condition looks at it.

use std::collections::BTreeSet;

use cedar_policy::{Entities, Policy, RequestEnv};
use serde_json::Value;

use crate::scope::admits;

/// What a question depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Signature {
    caller: String,
    classes: BTreeSet<String>,
    admitted: Vec<usize>,
    /// The action, where a condition names it.
    action: Option<String>,
    /// The kind of thing, where a condition looks at it.
    about: Option<String>,
}

/// Policies with what their conditions name.
pub(crate) struct Texts {
    texts: Vec<(Policy, Named)>,
}

#[derive(Default)]
struct Named {
    actions: BTreeSet<String>,
    resource: bool,
}

impl Texts {
    pub(crate) fn new(policies: Vec<Policy>) -> Self {
        let named = |policy: Policy| {
            let named = named(&policy);
            (policy, named)
        };
        Self {
            texts: policies.into_iter().map(named).collect(),
        }
    }

    pub(crate) fn signature(&self, env: &RequestEnv, actions: &Entities) -> Signature {
        let admitted: Vec<usize> = (self.texts.iter().enumerate())
            .filter(|(_, (policy, _))| admits(policy, env, actions))
            .map(|(at, _)| at)
            .collect();
        let speaking = || admitted.iter().filter_map(|at| self.texts.get(*at));
        let action: &str = env.action().id().as_ref();
        let name = speaking().any(|(_, named)| named.actions.contains(action));
        let about = speaking().any(|(_, named)| named.resource);
        let above = actions.ancestors(env.action()).into_iter().flatten();
        Signature {
            caller: env.principal().to_string(),
            classes: above.map(ToString::to_string).collect(),
            action: name.then(|| action.to_owned()),
            about: about.then(|| env.resource().to_string()),
            admitted,
        }
    }
}

/// What the conditions of a policy name; a policy that cannot be read names the thing and everything.
fn named(policy: &Policy) -> Named {
    let mut named = Named::default();
    match policy.to_json() {
        Ok(json) => walk(json.get("conditions").unwrap_or(&Value::Null), &mut named),
        Err(_) => named.resource = true,
    }
    named
}

fn walk(value: &Value, named: &mut Named) {
    match value {
        Value::Object(fields) => {
            named.resource |= fields.get("Var").and_then(Value::as_str) == Some("resource");
            let is = |key: &str| fields.get(key).and_then(Value::as_str);
            if let (Some("Action"), Some(id)) = (is("type"), is("id")) {
                named.actions.insert(id.to_owned());
            }
            fields.values().for_each(|value| walk(value, named));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, named)),
        _ => {}
    }
}
