//! The twin: a proposal's calls tried in order on a fork of the fleet, before anybody is asked.
//!
//! Each call is decided by its own tool on the intent that those before it leave; the changes are
//! played by the core's simulator. Pure. What cannot be foretold is said in words.

use ostler_core::{
    change::{self, Change},
    proposal::{Proposal, ProposalState, ProposedCall},
    sim::{self, Forecast},
};
use serde_json::Value;

use crate::{answer::Foretold, catalogue, contract::Decided, query::Query, view::View};

/// What the calls of a proposal would lead to, as long as none of them was begun.
#[must_use]
pub fn foretell_open(view: &View<'_>, proposal: &Proposal) -> Option<Foretold> {
    let open = matches!(
        proposal.state,
        ProposalState::Waiting | ProposalState::Approved
    );
    open.then(|| foretell(view, &proposal.body.calls))
}

/// What calls would lead to, made one right after the other.
#[must_use]
pub fn foretell(view: &View<'_>, calls: &[ProposedCall]) -> Foretold {
    let tried = changes(view, calls).and_then(|changes| play(view, &changes));
    let (words, forecast) = match tried {
        Ok(forecast) => (forecast.in_words(), Some(forecast)),
        Err(why) => (format!("cannot be foretold: {why}"), None),
    };
    Foretold {
        revision: view.intent.revision,
        at: view.now,
        words,
        forecast,
    }
}

/// The change that each call makes of what those before it leave.
fn changes(view: &View<'_>, calls: &[ProposedCall]) -> Result<Vec<Change>, String> {
    let mut intent = view.intent.clone();
    let mut changes = Vec::with_capacity(calls.len());
    for (number, call) in (1..).zip(calls) {
        let at = |words: String| format!("call {number} (`{}`): {words}", call.tool);
        let fork = View {
            intent: &intent,
            ..*view
        };
        let change = decide(&fork, call).map_err(at)?;
        let applied = change::apply(&intent, &change, view.now);
        intent = applied.map_err(|refused| at(refused.to_string()))?.intent;
        changes.push(change);
    }
    Ok(changes)
}

fn decide(view: &View<'_>, call: &ProposedCall) -> Result<Change, String> {
    let tool = catalogue::find(&call.tool).filter(|tool| tool.may_be_proposed());
    let tool = tool.ok_or_else(catalogue::proposable)?;
    let decided = (tool.decide)(view, Value::Object(call.arguments.clone()));
    match decided.map_err(|refusal| refusal.to_string())? {
        Decided::Change(change) => Ok(change),
        Decided::Query {
            query: Query::Undo { revision },
            ..
        } => Err(format!(
            "what takes revision {revision} back is only known when it is done"
        )),
        _ => Err("it would change nothing".to_owned()),
    }
}

fn play(view: &View<'_>, changes: &[Change]) -> Result<Forecast, String> {
    if view.world.observed.nodes.is_empty() {
        return Err("nothing is known of the machines yet".to_owned());
    }
    sim::foresee(view.intent, &view.world.observed, changes, view.now)
        .map_err(|unforeseen| unforeseen.to_string())
}
