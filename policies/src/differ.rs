//! What would have to differ for a call to be decided better: one fact at a time, tried.

use serde_json::Value;

use crate::{
    engine::Engine,
    request::{Decision, Facts, Request, Verdict},
    table::in_words,
};

impl Engine {
    /// Facts of which one, were it as if nothing changed in it, would let the call be decided better:
    /// each with what would be decided then. Nothing for what is allowed.
    #[must_use]
    pub fn would_differ(&self, request: &Request, decision: &Decision) -> Vec<String> {
        if decision.verdict == Verdict::Allow {
            return Vec::new();
        }
        let (Ok(Value::Object(facts)), Ok(plain)) = (
            serde_json::to_value(&request.facts),
            serde_json::to_value(Facts::default()),
        ) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, value) in &facts {
            let plain = plain.get(name).unwrap_or(&Value::Null);
            // What a change is cannot be otherwise, and who calls is not a fact of it.
            if value == plain || name == "kinds" || name == "agent" {
                continue;
            }
            let mut other = facts.clone();
            other.insert(name.clone(), plain.clone());
            let Ok(facts) = serde_json::from_value(Value::Object(other)) else {
                continue;
            };
            let other = Request {
                facts,
                ..request.clone()
            };
            let then = self.decide(&other).verdict;
            if better(&then, &decision.verdict) {
                found.push(format!(
                    "with `{name}` {plain} instead of {value}: {}",
                    said(&then)
                ));
            }
        }
        found
    }
}

/// Allowed is better than asking, asking better than denied, and asking an operator better than an admin.
fn better(one: &Verdict, other: &Verdict) -> bool {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Allow => 0,
        Verdict::NeedsApproval { roles, .. } if roles.iter().any(|role| role == "operator") => 1,
        Verdict::NeedsApproval { .. } => 2,
        Verdict::Deny => 3,
    };
    rank(one) < rank(other)
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow => "allowed".to_owned(),
        Verdict::Deny => "denied".to_owned(),
        asks => format!("needs the yes of {}", in_words(asks)),
    }
}
