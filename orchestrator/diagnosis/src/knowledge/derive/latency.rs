//! Whose slowness explains the slowness of the others.
//!
//! Trouble travels from a service to its callers: the slow service that most of the slow ones lean
//! on explains them. A slow service's own calls look slow too, but less so than itself.

use std::collections::{BTreeMap, BTreeSet};

use super::Notes;
use super::shift;
use crate::knowledge::cause::Who;
use crate::knowledge::view::View;
use crate::picture::{Kind, Measure};

/// Explanations so close to the best one are as good; then the deepest wins.
const AS_GOOD: f64 = 0.12;

struct Slow<'p> {
    weight: f64,
    times: f64,
    leans_on: BTreeSet<&'p str>,
    from: String,
}

/// `latency.slow`, `latency.place` (1 for the service that explains the slowness best).
pub fn derive(view: &View, notes: &mut Notes) {
    let slow = slow(view);
    let total: f64 = slow.values().map(|one| one.weight).sum();
    let mut places: Vec<(&str, f64)> =
        slow.keys().map(|id| (*id, explained(view, id, &slow) / total)).collect();
    let best = places.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    places.sort_by(|one, other| {
        let good = |share: f64| share >= best - AS_GOOD;
        let depth = |id: &str| slow.values().filter(|one| one.leans_on.contains(id)).count();
        let times = |id: &str| slow.get(id).map_or(0.0, |one| one.times);
        good(other.1)
            .cmp(&good(one.1))
            .then_with(|| if good(one.1) { depth(other.0).cmp(&depth(one.0)) } else { other.1.total_cmp(&one.1) })
            .then_with(|| times(other.0).total_cmp(&times(one.0)))
    });
    for ((id, share), place) in places.into_iter().zip(1..) {
        if let Some(one) = slow.get(id) {
            notes.note_from(id, "latency.slow", one.times, one.from.clone());
            notes.note_from(id, "latency.place", place, one.from.clone());
            notes.note_from(id, "latency.explains", share, one.from.clone());
        }
    }
}

/// Everything that became slow, by how much.
fn slow<'p>(view: &View<'p>) -> BTreeMap<&'p str, Slow<'p>> {
    let mut slow: BTreeMap<&str, Slow> = BTreeMap::new();
    let Some(noticed) = view.picture.noticed else { return slow };
    for (place, signal) in view.picture.signals.iter().enumerate() {
        let service = view.kind(&signal.object) == Some(Kind::Service);
        let moved = shift::of(signal, noticed).filter(|moved| moved.risen(1.5));
        let Some(moved) = moved.filter(|_| service && signal.measure == Measure::Latency) else {
            continue;
        };
        let weight = (moved.after - moved.before).ln_1p();
        let id = signal.object.as_str();
        if weight > slow.get(id).map_or(0.0, |one| one.weight) {
            let times = moved.after / moved.before.max(1.0);
            let from = format!("signals/{place}");
            slow.insert(id, Slow { weight, times, leans_on: calls(view, id), from });
        }
    }
    slow
}

/// How much of all slowness one service's slowness explains.
fn explained(view: &View, id: &str, slow: &BTreeMap<&str, Slow>) -> f64 {
    let own = slow.get(id).map_or(0.0, |one| one.weight);
    let callees = view.near(id, Who::Callees);
    slow.iter()
        .filter(|(other, one)| {
            **other == id
                || one.leans_on.contains(id)
                || (callees.contains(*other) && one.weight < own)
        })
        .map(|(_, one)| one.weight)
        .sum()
}

/// Whom a service calls, however far.
fn calls<'p>(view: &View<'p>, id: &str) -> BTreeSet<&'p str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&'p str> = view.near(id, Who::Callees).into_iter().collect();
    while let Some(at) = next.pop() {
        if reached.insert(at) {
            next.extend(view.near(at, Who::Callees));
        }
    }
    reached
}
