//! Whose slowness explains the slowness of the others.
//!
//! Trouble travels from a service to its callers. A caller waits for a callee as often as it asks,
//! so a little slowness may explain a few times as much of it, and never without bound. Towards
//! its own callees a slow service shows only as a faint echo. What explains (nearly) everything is
//! the place; of several such, the one that most slow ones lean on. A node is the place when what
//! runs on it explains clearly more together than any one service does.

use std::collections::BTreeSet;

use super::Notes;
use super::slowness::{AllSlow, Slow, slow};
use crate::knowledge::cause::Who;
use crate::knowledge::view::View;
use crate::picture::Kind;

/// Explanations so close to the best one are as good; then the deepest wins.
const AS_GOOD: f64 = 0.12;
/// How many times its own slowness a service may explain at a caller.
const ASKED_AGAIN: f64 = 5.0;
/// The most of a service's slowness that echoes at its callees.
const ECHO: f64 = 0.2;
/// How much more a node must explain than the best service on it.
const MANY_AT_ONCE: f64 = 0.15;

/// `latency.slow`, `latency.place` (1 for the service that explains the slowness best),
/// `latency.explains` (its share), `latency.node_place` (the same for nodes that explain it better).
pub fn derive(view: &View, notes: &mut Notes) {
    let slow = slow(view);
    let deltas = slow.values().flat_map(|one| one.deltas.values());
    let total: f64 = deltas.map(|delta| weight(*delta)).sum();
    let mut places: Vec<(&str, f64)> = slow
        .keys()
        .map(|id| (*id, explained(view, &[id], &slow) / total))
        .collect();
    let best = places.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    order(&mut places, best, &slow);
    for ((id, share), place) in places.into_iter().zip(1..) {
        if let Some(one) = slow.get(id) {
            notes.note_from(id, "latency.slow", one.times, one.from.clone());
            notes.note_from(id, "latency.place", place, one.from.clone());
            notes.note_from(id, "latency.explains", share, one.from.clone());
        }
    }
    node_place(view, &slow, total, best, notes);
}

/// Best first: as good as the best before the others, then depth, then by how many times slower.
fn order(places: &mut [(&str, f64)], best: f64, slow: &AllSlow) {
    let depth = |id: &str| {
        slow.values()
            .filter(|one| one.leans_on.contains(id))
            .count()
    };
    let times = |id: &str| slow.get(id).map_or(0.0, |one| one.times);
    places.sort_by(|(one, its), (other, others)| {
        let good = |share: f64| share >= best - AS_GOOD;
        match (good(*its), good(*others)) {
            (true, true) => depth(other)
                .cmp(&depth(one))
                .then_with(|| times(other).total_cmp(&times(one))),
            (false, false) => others.total_cmp(its),
            (one, other) => other.cmp(&one),
        }
    });
}

fn node_place(view: &View, slow: &AllSlow, total: f64, best: f64, notes: &mut Notes) {
    let shares = view.of_kind(Kind::Node).filter_map(|node| {
        let guests: BTreeSet<&str> = view
            .near(node, Who::Guests)
            .into_iter()
            .flat_map(|guest| view.near(guest, Who::Whole))
            .filter(|service| slow.contains_key(service))
            .collect();
        let guests: Vec<&str> = guests.into_iter().collect();
        (guests.len() > 1).then(|| (node, explained(view, &guests, slow) / total, guests))
    });
    let mut nodes: Vec<_> = shares
        .filter(|(_, share, _)| *share > best + MANY_AT_ONCE)
        .collect();
    nodes.sort_by(|one, other| other.1.total_cmp(&one.1));
    for ((node, share, guests), place) in nodes.into_iter().zip(1..) {
        if let Some(first) = guests.first().and_then(|guest| slow.get(guest)) {
            notes.note_from(node, "latency.node_place", place, first.from.clone());
            notes.note_from(node, "latency.explains", share, first.from.clone());
        }
    }
}

/// Slowness weighs less than in proportion: ten times as slow is not ten times as telling.
fn weight(delta: f64) -> f64 {
    delta.sqrt()
}

/// How much of all slowness that of some services explains.
fn explained(view: &View, places: &[&str], slow: &AllSlow) -> f64 {
    let items = slow.iter().flat_map(|(id, one)| {
        let deltas = one.deltas.iter();
        deltas.map(move |(name, delta)| (*id, one, *name, *delta))
    });
    items
        .map(|(id, one, name, delta)| {
            let credits = places.iter().map(|place| match slow.get(place) {
                _ if *place == id => 1.0,
                Some(own) if one.leans_on.contains(place) => asked_again(own, name, delta),
                Some(own) if delta <= ECHO * own.delta() => {
                    f64::from(u8::from(view.near(place, Who::Callees).contains(id)))
                }
                _ => 0.0,
            });
            weight(delta) * credits.fold(0.0, f64::max)
        })
        .sum()
}

/// How much of a caller's slowness its callee's may account for. A caller that asks often is slow in
/// the middle where its callee is so only at times: that counts by half.
fn asked_again(own: &Slow, name: &str, delta: f64) -> f64 {
    let credit = |own: f64| (ASKED_AGAIN * own / delta).min(1.0);
    let same = own.deltas.get(name).map_or(0.0, |own| credit(*own));
    same.max(credit(own.delta()) / 2.0)
}
