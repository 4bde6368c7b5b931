//! Emptying a node in graph order: dependents move first, what they need last, so that nothing on
//! the node loses a need while it still runs there.
//!
//! Moving is replacing: an instance elsewhere comes first, the one on the node ends when the new
//! one is good. Where no other node has room, nothing is stopped; the report says `NoRoom`.

use std::collections::HashMap;

use super::{Keys, group::Members};
use crate::{graph::Graph, id::ServiceKey, intent::Intent, observed::Phase};

/// The services that may move off draining nodes now.
pub(super) fn in_turn<'a>(
    intent: &'a Intent,
    graph: &Graph<'a>,
    members: &HashMap<&'a ServiceKey, Members<'a>>,
) -> Keys<'a> {
    if intent.draining.is_empty() {
        return Keys::new();
    }
    let there: Keys<'a> = members
        .iter()
        .filter(|(_, members)| {
            members.iter().any(|(_, seen)| {
                intent.draining.contains(&seen.node) && seen.phase != Phase::Unknown
            })
        })
        .map(|(key, _)| *key)
        .collect();
    let first = |key: &&ServiceKey| {
        graph
            .dependents(key)
            .iter()
            .all(|other| !there.contains(other))
    };
    there.iter().copied().filter(first).collect()
}
