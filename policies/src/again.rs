//! Asking again what was asked once: what of a question a log keeps, and whether another bundle would
//! answer otherwise.

use std::collections::BTreeSet;

use ostler_core::{
    id::{Namespace, ServiceKey},
    time::Time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    engine::Engine,
    request::{Decision, Facts, Request, Verdict, Who},
};

/// What of a question a log keeps beside the tool, the services and the moment. No argument of the
/// call is in it, only who asked and what would have changed in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Who asked, with their roles.
    pub who: Who,
    /// The namespace, where it named one without a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// The facts that differ from nothing being changed.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub facts: Map<String, Value>,
    /// Roles of which somebody had said yes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub approvals: BTreeSet<String>,
    /// The version of the policies that answered.
    pub version: String,
}

impl Asked {
    /// What to keep of a question, with the yeses that it was decided with.
    #[must_use]
    pub fn of(request: &Request, yes: &BTreeSet<String>, version: &str) -> Self {
        Self {
            who: request.who.clone(),
            namespace: request.namespace.clone(),
            facts: differing(&request.facts),
            approvals: request.approvals.union(yes).cloned().collect(),
            version: version.to_owned(),
        }
    }

    /// The question again; nothing where its facts are not such that this version knows.
    #[must_use]
    pub fn again(&self, action: &str, services: &[ServiceKey], at: Time) -> Option<Request> {
        let facts = Value::Object(self.facts.clone());
        Some(Request {
            who: self.who.clone(),
            action: action.to_owned(),
            services: services.to_vec(),
            namespace: self.namespace.clone(),
            facts: serde_json::from_value(facts).ok()?,
            approvals: self.approvals.clone(),
            now: at,
        })
    }
}

/// A past call that would be decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Otherwise {
    /// What was decided: `allow`, `needs_approval`, `deny`.
    pub was: String,
    /// What would be.
    pub would_be: String,
    /// Whose yes it would need, where it would need one.
    pub needs: Option<String>,
    /// Why, in words.
    pub words: String,
}

impl Engine {
    /// Whether this bundle decides a question otherwise than it was decided.
    #[must_use]
    pub fn otherwise(&self, request: &Request, was: &str) -> Option<Otherwise> {
        let decision = self.decide(request);
        let would_be = name(&decision);
        let needs = matches!(decision.verdict, Verdict::NeedsApproval { .. });
        (would_be != was).then(|| Otherwise {
            was: was.to_owned(),
            would_be: would_be.to_owned(),
            needs: needs.then(|| crate::table::in_words(&decision.verdict)),
            words: self.explain(request, &decision),
        })
    }
}

/// A verdict as the log names it.
fn name(decision: &Decision) -> &'static str {
    match decision.verdict {
        Verdict::Allow => "allow",
        Verdict::NeedsApproval { .. } => "needs_approval",
        Verdict::Deny => "deny",
    }
}

fn differing(facts: &Facts) -> Map<String, Value> {
    let fields = |facts: &Facts| match serde_json::to_value(facts) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    less(fields(facts), &fields(&Facts::default()))
}

/// What of a record differs from another.
fn less(fields: Map<String, Value>, plain: &Map<String, Value>) -> Map<String, Value> {
    let differs = |(key, value): (String, Value)| match (value, plain.get(&key)) {
        (Value::Object(inner), Some(Value::Object(plain))) => {
            let inner = less(inner, plain);
            (!inner.is_empty()).then(|| (key, Value::Object(inner)))
        }
        (value, plain) => (Some(&value) != plain).then_some((key, value)),
    };
    fields.into_iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_comes_back_as_it_was() {
        let mut facts = Facts {
            replicas_from: 2,
            replicas_to: 5,
            replicas_delta: 3,
            ..Facts::default()
        };
        facts.kinds.insert("scale_service".to_owned());
        facts.agent.paused = true;
        let request = Request {
            who: Who::Agent("healer".parse().unwrap()),
            action: "scale_service".to_owned(),
            services: vec!["shop/cart".parse().unwrap()],
            namespace: None,
            facts,
            approvals: BTreeSet::new(),
            now: Time(7),
        };
        let asked = Asked::of(&request, &BTreeSet::from(["admin".to_owned()]), "v");
        let text = serde_json::to_string(&asked).unwrap();
        let kept: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            kept,
            serde_json::json!({
                "who": { "agent": "healer" },
                "facts": { "agent": { "paused": true }, "kinds": ["scale_service"],
                    "replicas_delta": 3, "replicas_from": 2, "replicas_to": 5 },
                "approvals": ["admin"],
                "version": "v",
            })
        );
        let read: Asked = serde_json::from_str(&text).unwrap();
        let again = read
            .again(&request.action, &request.services, request.now)
            .unwrap();
        assert_eq!(again.facts, request.facts);
        assert_eq!(again.approvals, asked.approvals);
    }
}
