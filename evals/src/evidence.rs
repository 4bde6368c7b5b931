//! What of an agent's evidence stands, as far as a program can tell.
//!
//! Two things are checked of each claim about a believed cause. Was the call that it cites made, in
//! this run and on this line? And does that call's answer hold, letter for letter, everything that
//! the claim quotes or names: what stands between back-ticks, guillemets or quotation marks? Numbers
//! outside of these are not looked for: agents count, add and round, so that a right number need not
//! stand in any answer. A claim that quotes nothing is checked for its call alone.

use std::collections::BTreeMap;

use ostler_agents_kit::text;
use ostler_core::{
    id::CallId,
    incident::{Evidence, Incident},
};
use ostler_tools::catalogue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a varying part of a folded log line is written as.
const FOLDED: char = '#';
/// Marks that open a quotation, each with what closes it.
const MARKS: [(char, char); 4] = [('`', '`'), ('«', '»'), ('“', '”'), ('"', '"')];

/// How many claims stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounded {
    /// Claims in all.
    pub claims: u32,
    /// Of these, with a call that was made.
    pub made: u32,
    /// Of all, those that quote or name something.
    pub quoting: u32,
    /// Of these, with an answer that holds all of it.
    pub held: u32,
}

/// Checks every claim of these incidents' causes against what calls answered.
#[must_use]
pub fn grounded(incidents: &[Incident], answers: &BTreeMap<CallId, Value>) -> Grounded {
    let causes = incidents
        .iter()
        .filter_map(|incident| incident.cause.as_ref());
    let claims = causes.flat_map(|cause| &cause.evidence);
    claims.fold(Grounded::default(), |sum, claim| sum.and(claim, answers))
}

impl Grounded {
    /// Both together.
    #[must_use]
    pub const fn and_all(self, other: Self) -> Self {
        Self {
            claims: self.claims.saturating_add(other.claims),
            made: self.made.saturating_add(other.made),
            quoting: self.quoting.saturating_add(other.quoting),
            held: self.held.saturating_add(other.held),
        }
    }

    fn and(self, claim: &Evidence, answers: &BTreeMap<CallId, Value>) -> Self {
        let answer = answers.get(&claim.call);
        let quotes = quotes(&claim.claim);
        let held = answer.is_some_and(|answer| {
            let said = said(answer);
            quotes.iter().all(|quote| holds(&said, quote))
        });
        let quoting = !quotes.is_empty();
        Self {
            claims: self.claims.saturating_add(1),
            made: self.made.saturating_add(u32::from(answer.is_some())),
            quoting: self.quoting.saturating_add(u32::from(quoting)),
            held: self.held.saturating_add(u32::from(quoting && held)),
        }
    }
}

/// What a claim quotes or names. Names of tools are how it was found, not what.
fn quotes(claim: &str) -> Vec<String> {
    let mut quotes = Vec::new();
    let mut rest = claim;
    while let Some((at, close)) = opening(rest) {
        let inside = rest.get(at..).unwrap_or_default();
        let inside = inside.get(inside.chars().next().map_or(0, char::len_utf8)..);
        let inside = inside.unwrap_or_default();
        // A claim that was cut ends within its quotation.
        let (quote, after) = inside.split_once(close).unwrap_or((inside, ""));
        quotes.push(quote.trim_end_matches('…').trim().to_owned());
        rest = after;
    }
    quotes.retain(|quote| !quote.is_empty() && catalogue::find(quote).is_none());
    quotes
}

/// Where the next quotation begins, and what closes it.
fn opening(text: &str) -> Option<(usize, char)> {
    let mark = |(at, letter)| {
        let known = MARKS.iter().find(|(open, _)| *open == letter);
        known.map(|(_, close)| (at, *close))
    };
    text.char_indices().find_map(mark)
}

/// Every text, name and number of an answer, as claims would write it.
fn said(answer: &Value) -> Vec<String> {
    let mut said = Vec::new();
    gather(answer, &mut said);
    said
}

fn gather(value: &Value, said: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                said.push(name.clone());
                gather(field, said);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| gather(one, said)),
        Value::String(text) => said.push(text::clean(text, usize::MAX)),
        other => said.push(other.to_string()),
    }
}

/// Whether one of these texts holds the quotation; its folded parts may be anything.
fn holds(said: &[String], quote: &str) -> bool {
    // What is folded whole would be in everything.
    let says = quote.chars().any(char::is_alphanumeric);
    says && said.iter().any(|text| {
        let mut rest = text.as_str();
        quote
            .split(FOLDED)
            .all(|piece| match rest.split_once(piece) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claim(words: &str, call: &str) -> Evidence {
        Evidence {
            claim: words.to_owned(),
            call: call.parse().unwrap(),
            untrusted: false,
        }
    }

    fn checked(words: &str, call: &str) -> Grounded {
        let answer = json!({ "instance": "cart-2", "untrusted_lines": [{ "text": "worker 17: out of\tmemory at 0x33" }] });
        let answers = BTreeMap::from([("call_1".parse().unwrap(), answer)]);
        Grounded::default().and(&claim(words, call), &answers)
    }

    #[test]
    fn a_claim_stands_when_its_call_was_made_and_its_answer_holds_what_is_quoted() {
        let all = |claims, made, quoting, held| Grounded {
            claims,
            made,
            quoting,
            held,
        };
        let cases = [
            (
                "`cart-2` logs «worker #: out of memory at #» (3 times)",
                "call_1",
                all(1, 1, 1, 1),
            ),
            ("`cart-2` logs «disk full»", "call_1", all(1, 1, 1, 0)),
            ("`cart-3` is slow", "call_1", all(1, 1, 1, 0)),
            ("“out of memory”", "call_2", all(1, 0, 1, 0)),
            ("it was restarted 7 times", "call_1", all(1, 1, 0, 0)),
            ("it was restarted 7 times", "call_2", all(1, 0, 0, 0)),
            ("`read_logs` shows it", "call_1", all(1, 1, 0, 0)),
            ("it says «worker 17: out of mem…", "call_1", all(1, 1, 1, 1)),
        ];
        for (words, call, right) in cases {
            assert_eq!(checked(words, call), right, "{words}");
        }
    }
}
