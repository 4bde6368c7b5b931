//! What is no trouble of its own beside what is known: it echoes a cause elsewhere.
//!
//! On the data's way between both halves and the diagnosis: it only takes weight from what signals say.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::picture::{How, Picture};

/// What is left of an echo.
const LEFT: f64 = 0.5;
/// From here on what the knowledge base says first is sure enough to have echoes.
const SURE: f64 = 0.4;
/// A change that has no bad side: traffic changes wherever anything does.
const SIDELESS: [&str; 1] = ["network_change"];
/// Whoever waits for a slow callee holds more of these meanwhile.
const HELD: [&str; 3] = ["memory_growth", "cpu_saturated", "queue_growth"];

/// Takes weight from what signals say of an object where it has no bad side, or where the object waits
/// for the one that the knowledge base names first.
pub fn damp(picture: &Picture, known: &[Finding], signalled: &mut [Finding]) {
    let first = known.first().filter(|first| first.score >= SURE);
    let first = first.map(|first| first.object.as_str());
    let waiting = first.map_or_else(BTreeSet::new, |first| callers(picture, first));
    for finding in signalled {
        let cause = finding.cause.as_deref().unwrap_or_default();
        let held = HELD.contains(&cause) && waiting.contains(finding.object.as_str());
        if held || SIDELESS.contains(&cause) {
            finding.score *= LEFT;
        }
    }
}

/// Everybody who calls an object, over any number of steps; never the object itself.
fn callers<'p>(picture: &'p Picture, of: &'p str) -> BTreeSet<&'p str> {
    let (mut seen, mut open) = (BTreeSet::from([of]), vec![of]);
    while let Some(callee) = open.pop() {
        let calls = picture.edges.iter().filter(|edge| edge.how == How::Calls);
        for edge in calls.filter(|edge| edge.to == callee) {
            if seen.insert(&edge.from) {
                open.push(&edge.from);
            }
        }
    }
    seen.remove(of);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Edge;

    fn finding(object: &str, cause: &str, score: f64) -> Finding {
        Finding {
            object: object.to_owned(),
            cause: Some(cause.to_owned()),
            score,
            evidence: Vec::new(),
        }
    }

    #[test]
    fn what_a_caller_holds_while_it_waits_is_an_echo() {
        let edge = |from: &str, to: &str| Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            how: How::Calls,
        };
        let picture = Picture {
            edges: vec![edge("web", "cart"), edge("cart", "store")],
            ..Picture::default()
        };
        let known = [finding("cart", "network_of_instance_slow", 0.5)];
        let mut signalled = [
            finding("web", "memory_growth", 0.8),
            finding("store", "memory_growth", 0.8),
            finding("cart", "memory_growth", 0.8),
            finding("web", "errors", 0.8),
            finding("store", "network_change", 0.8),
        ];
        damp(&picture, &known, &mut signalled);
        assert_eq!(signalled.map(|one| one.score), [0.4, 0.8, 0.8, 0.8, 0.4]);
    }
}
