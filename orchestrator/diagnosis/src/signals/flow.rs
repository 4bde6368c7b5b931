//! Trouble that requests carry from callee to caller: slowness and failures.
//!
//! A caller waits as long as its callees together, and fails where they fail. So what a service adds
//! of its own is what it shows less what its callees show, each weighed by how many requests it
//! answers: the added seconds or failures in all (the idea of exclusive time in tracing, from metrics
//! alone). The service where most arises is the likeliest cause; those above it only hand it on.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::graphmap::DiGraphMap;

use crate::picture::{How, Kind, Measure, Picture};

use super::deviation::{self, Deviation};

/// A symptom counts from here, in standard deviations, if something below it is surer.
const SYMPTOM: f64 = 1.5;
/// Trouble is followed through services that deviate this much.
const HANDED_ON: f64 = 3.0;
/// At least one of them must deviate this much, else all is taken for noise.
const SURE: f64 = 5.0;
/// A symptom with nothing below it counts only where at most this share of its history was as bad.
const UNUSUAL: f64 = 0.01;
/// Beyond this nothing becomes surer.
const CERTAIN: f64 = 6.0;
/// What is only seen from its callers' side is named last: its numbers hold the way to it and
/// whatever is behind it.
const OPAQUE: f64 = 0.05;
/// What remains to one that only hands trouble on, so that it is still listed.
const REMNANT: f64 = 0.02;

/// What speaks against an object, out of one kind of trouble.
#[derive(Debug, Clone)]
pub(crate) struct Suspicion {
    /// Which signal shows it.
    pub signal: usize,
    /// Of what kind.
    pub measure: Measure,
    /// From 0 to 1.
    pub weight: f64,
    /// How much of what it shows is its own, from 0 to 1.
    pub own: f64,
}

/// Suspicions of one kind of trouble (`measure`), by object.
pub(crate) fn suspicions<'a>(
    picture: &'a Picture,
    deviations: &[Deviation<'a>],
    measure: Measure,
) -> BTreeMap<&'a str, Suspicion> {
    let shown = representative(deviations, measure);
    let graph = calls(picture);
    let rates = rates(deviations);
    let trouble = Trouble {
        picture,
        burdens: burdens(&graph, &shown, &rates),
        graph,
        shown,
    };
    let starts = starts(picture, &trouble.graph, &trouble.shown);
    let places: Vec<_> = starts
        .into_iter()
        .map(|start| (start, reach(start, &trouble.graph, &trouble.shown)))
        .filter(|(start, seen)| trouble.is_sure(start, seen))
        .collect();
    let most = trouble.most(places.iter().flat_map(|(_, seen)| seen));
    let mut all = BTreeMap::new();
    for (start, seen) in &places {
        for (object, suspicion) in trouble.weigh(start, seen, most) {
            match all.get(object) {
                Some(Suspicion { weight, .. }) if *weight >= suspicion.weight => {}
                _ => drop(all.insert(object, suspicion)),
            }
        }
    }
    all
}

type Shown<'d, 'a> = BTreeMap<&'a str, &'d Deviation<'a>>;
type Calls<'a> = DiGraphMap<&'a str, ()>;

/// One deviation per object: that of the mean where there is one, since only means add up; else
/// that of the lowest quantile, else the first.
fn representative<'d, 'a>(deviations: &'d [Deviation<'a>], measure: Measure) -> Shown<'d, 'a> {
    let mut shown: Shown<'d, 'a> = BTreeMap::new();
    for deviation in deviations.iter().filter(|d| d.signal.measure == measure) {
        let object = deviation.signal.object.as_str();
        let better = shown
            .get(object)
            .is_none_or(|held| preference(&deviation.signal.name) < preference(&held.signal.name));
        if better {
            shown.insert(object, deviation);
        }
    }
    shown
}

fn preference(name: &str) -> u8 {
    let name = name.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match () {
        () if says(&["mean", "average", "avg"]) => 0,
        () if says(&["50", "median"]) => 1,
        () if says(&["90", "95", "99", "max"]) => 3,
        () => 2,
    }
}

fn calls(picture: &Picture) -> Calls<'_> {
    let carries = |how| matches!(how, How::Calls | How::Uses);
    let edges = picture
        .edges
        .iter()
        .filter(|edge| carries(edge.how) && edge.from != edge.to);
    edges
        .map(|edge| (edge.from.as_str(), edge.to.as_str()))
        .collect()
}

/// Requests a second that an object answered after the notice.
fn rates<'a>(deviations: &[Deviation<'a>]) -> BTreeMap<&'a str, f64> {
    let answered = deviations
        .iter()
        .filter(|d| d.signal.measure == Measure::Rate);
    answered
        .map(|d| (d.signal.object.as_str(), d.after.max(0.0)))
        .collect()
}

/// Where to start looking: whose symptom it was, else every object in trouble that no other one
/// in trouble calls.
fn starts<'a>(picture: &'a Picture, graph: &Calls<'a>, shown: &Shown<'_, 'a>) -> Vec<&'a str> {
    let surprise = |object: &str| shown.get(object).map_or(0.0, |d| d.surprise);
    if let Some(symptom) = picture.symptom.as_deref() {
        return if surprise(symptom) >= SYMPTOM {
            vec![symptom]
        } else {
            Vec::new()
        };
    }
    let troubled = |object: &str| surprise(object) >= HANDED_ON;
    let called = |object: &str| {
        let mut callers = graph.neighbors_directed(object, Direction::Incoming);
        callers.any(&troubled)
    };
    shown
        .keys()
        .copied()
        .filter(|object| troubled(object) && !called(object))
        .collect()
}

/// The start and everything in trouble that trouble could have come from.
fn reach<'a>(start: &'a str, graph: &Calls<'a>, shown: &Shown<'_, 'a>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(caller) = open.pop() {
        for callee in graph.neighbors(caller) {
            let troubled = shown.get(callee).is_some_and(|d| d.surprise >= HANDED_ON);
            if troubled && seen.insert(callee) {
                open.push(callee);
            }
        }
    }
    seen
}

/// How much trouble each object shows, to compare objects by.
///
/// With a graph: added seconds or failures in all, so that what callees show can be taken away from
/// what their callers show. Without one nothing can be taken away: then whose requests got worse by the
/// most, each for itself, since a caller does other things beside waiting for the one at fault.
fn burdens<'a>(
    graph: &Calls<'a>,
    shown: &Shown<'_, 'a>,
    rates: &BTreeMap<&str, f64>,
) -> BTreeMap<&'a str, f64> {
    let counted = shown.values().any(|d| deviation::counted(d.signal));
    let burden = |object: &str, d: &Deviation<'_>| {
        let rate = rates.get(object).copied();
        let counts = d.signal.measure == Measure::Errors && counted;
        match (graph.edge_count() > 0, d.signal.measure) {
            (true, _) if counts => d.change,
            (true, _) => d.change * rate.unwrap_or(1.0),
            (false, Measure::Errors) if counts => {
                d.change / rate.filter(|rate| *rate > 0.0).unwrap_or(1.0)
            }
            (false, Measure::Latency) => d.change / d.level.abs().max(f64::MIN_POSITIVE),
            (false, _) => d.change,
        }
    };
    let all = shown.iter();
    all.map(|(object, d)| (*object, burden(object, d)))
        .collect()
}

/// One kind of trouble and the way that it takes.
struct Trouble<'d, 'a> {
    picture: &'a Picture,
    graph: Calls<'a>,
    shown: Shown<'d, 'a>,
    burdens: BTreeMap<&'a str, f64>,
}

impl<'a> Trouble<'_, 'a> {
    fn surprise(&self, object: &str) -> f64 {
        self.shown.get(object).map_or(0.0, |d| d.surprise)
    }

    fn burden(&self, object: &str) -> f64 {
        self.burdens.get(object).copied().unwrap_or(0.0)
    }

    fn is_opaque(&self, object: &str) -> bool {
        let known = self.picture.objects.get(object);
        known.is_some_and(|known| known.kind == Kind::External)
    }

    fn is_sure(&self, start: &str, seen: &BTreeSet<&str>) -> bool {
        let alone = seen.len() == 1 && self.shown.get(start).is_some_and(|d| d.usual > UNUSUAL);
        !alone && seen.iter().any(|object| self.surprise(object) >= SURE)
    }

    /// What the worst of them shows; one where none shows anything.
    fn most<'s>(&self, seen: impl Iterator<Item = &'s &'a str>) -> f64
    where
        'a: 's,
    {
        let burdens = seen
            .filter(|object| !self.is_opaque(object))
            .map(|object| self.burden(object));
        let most = burdens.fold(0.0, f64::max);
        if most > 0.0 { most } else { 1.0 }
    }

    fn weigh(&self, start: &str, seen: &BTreeSet<&'a str>, most: f64) -> Vec<(&'a str, Suspicion)> {
        let clear = (self.surprise(start) / CERTAIN).min(1.0);
        let weigh_one = |object: &'a str| {
            let whole = self.burden(object);
            let below = self
                .graph
                .neighbors(object)
                .filter(|callee| seen.contains(callee) && !self.is_opaque(callee));
            let handed: f64 = below.map(|callee| self.burden(callee).min(whole)).sum();
            let own = (whole - handed).max(0.0);
            let share = own / most + REMNANT * (whole / most).min(1.0);
            let certain = (self.surprise(object) / CERTAIN).clamp(0.0, 1.0);
            let seen_through = if self.is_opaque(object) { OPAQUE } else { 1.0 };
            let deviation = self.shown.get(object)?;
            let suspicion = Suspicion {
                signal: deviation.index,
                measure: deviation.signal.measure,
                weight: (clear * certain * share * seen_through).min(1.0),
                own: if whole > 0.0 { own / whole } else { 0.0 },
            };
            Some((object, suspicion))
        };
        let all = seen.iter().copied().filter_map(weigh_one);
        all.filter(|(_, suspicion)| suspicion.weight > 0.0)
            .collect()
    }
}
