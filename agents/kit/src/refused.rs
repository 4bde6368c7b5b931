//! Plans that a person said no to, wanting another: what is not proposed again, and why not.

use ostler_core::proposal::{Proposal, ProposedCall};
use serde_json::{Map, Value};

/// A plan that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// Its title.
    pub title: String,
    /// What it would have called: tool and arguments.
    pub calls: Vec<(String, Map<String, Value>)>,
    /// Why, in the words of the person who said no.
    pub why: String,
}

impl Refused {
    /// What is to be known of a proposal for which another plan is wanted.
    #[must_use]
    pub fn of(proposal: &Proposal) -> Option<Self> {
        let why = proposal.another.clone()?;
        let calls = proposal.body.calls.iter();
        Some(Self {
            title: proposal.body.title.clone(),
            calls: calls.map(named).collect(),
            why,
        })
    }

    /// Whether these calls are the plan that was refused.
    #[must_use]
    pub fn is(&self, calls: &[ProposedCall]) -> bool {
        self.calls.iter().cloned().eq(calls.iter().map(named))
    }
}

/// Why a person said no to exactly these calls, if one did.
#[must_use]
pub fn why_not<'a>(refused: &'a [Refused], calls: &[ProposedCall]) -> Option<&'a str> {
    let found = refused.iter().find(|refused| refused.is(calls));
    found.map(|refused| refused.why.as_str())
}

fn named(call: &ProposedCall) -> (String, Map<String, Value>) {
    (call.tool.clone(), call.arguments.clone())
}
