//! Trouble that follows from another kind of trouble: a slow answer is given up and counts as failed,
//! a failed call is made again and takes longer, and what lacks something it is given does both.
//!
//! After [`super::flow`] and [`super::resource`] have spoken each for itself; only ever takes weight
//! away, and never from what an object lacks.

use std::collections::{BTreeMap, BTreeSet};

use crate::picture::{How, Measure, Picture};

use super::deviation::Deviation;
use super::flow::Suspicion;

/// Whom trouble is looked for at must deviate this much, in standard deviations.
const SURE: f64 = 6.0;
/// What an object lacks must weigh this much to explain something elsewhere.
const LACKS: f64 = 0.5;
/// So many times slower is slower by far.
const SLOWER: f64 = 2.0;
/// What is left of trouble that other trouble explains.
const LEFT: f64 = 0.4;

/// Takes weight from slowness and failures that are explained by what is wrong at those whom an object
/// calls, or who share its machine; where nobody knows who calls whom, at anybody.
pub(crate) fn damp<'a>(
    picture: &'a Picture,
    deviations: &[Deviation<'a>],
    found: &mut BTreeMap<&'a str, Vec<Suspicion>>,
) {
    let ill = ill(deviations);
    let lacking = lacking(found);
    let slowness = slowness(deviations);
    let around = Around::of(picture);
    for (object, suspicions) in found.iter_mut() {
        if lacking.contains(object) {
            continue;
        }
        let starved = around.lacks_nearby(object, &lacking);
        for suspicion in suspicions.iter_mut().filter(|s| flows(s.measure)) {
            let other = |callee: &&str| {
                ill.iter()
                    .any(|(who, measure)| who == callee && *measure != suspicion.measure)
            };
            let calls_ill = around.callees(object).any(|callee| other(&callee));
            let gives_up = around.calls.is_empty()
                && suspicion.measure != Measure::Latency
                && slower(object, &slowness);
            if starved || calls_ill || gives_up {
                suspicion.weight *= LEFT;
            }
        }
    }
}

fn flows(measure: Measure) -> bool {
    matches!(
        measure,
        Measure::Latency | Measure::Errors | Measure::Availability
    )
}

/// Who is surely slow or failing, and in which way.
fn ill<'a>(deviations: &[Deviation<'a>]) -> BTreeSet<(&'a str, Measure)> {
    let sure = |d: &&Deviation<'_>| flows(d.signal.measure) && d.surprise >= SURE;
    let ill = deviations.iter().filter(sure);
    ill.map(|d| (d.signal.object.as_str(), d.signal.measure))
        .collect()
}

/// How many times its usual time each that is surely slow takes longer.
fn slowness<'a>(deviations: &[Deviation<'a>]) -> BTreeMap<&'a str, f64> {
    let slow = |d: &&Deviation<'_>| d.signal.measure == Measure::Latency && d.surprise >= SURE;
    let times = |d: &Deviation<'_>| d.change / d.level.abs().max(f64::MIN_POSITIVE);
    let slow = deviations.iter().filter(slow);
    slow.map(|d| (d.signal.object.as_str(), times(d))).collect()
}

/// Whether somebody else became slower by far: then this one may have failed for want of patience.
fn slower(object: &str, slowness: &BTreeMap<&str, f64>) -> bool {
    let own = slowness.get(object).copied().unwrap_or_default();
    let most = slowness.values().copied().fold(0.0, f64::max);
    most >= SLOWER && most >= SLOWER * own
}

/// Who uses far more of something than what it is asked explains.
fn lacking<'a>(found: &BTreeMap<&'a str, Vec<Suspicion>>) -> BTreeSet<&'a str> {
    let lacks = |s: &Suspicion| {
        let given = matches!(
            s.measure,
            Measure::Cpu | Measure::Memory | Measure::Disk | Measure::Restarts
        );
        given && s.weight >= LACKS
    };
    let all = found.iter().filter(|(_, found)| found.iter().any(lacks));
    all.map(|(object, _)| *object).collect()
}

/// Who is near whom.
struct Around<'a> {
    calls: BTreeMap<&'a str, BTreeSet<&'a str>>,
    machines: BTreeMap<&'a str, &'a str>,
}

impl<'a> Around<'a> {
    fn of(picture: &'a Picture) -> Self {
        let mut calls: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut machines = BTreeMap::new();
        for edge in &picture.edges {
            match edge.how {
                How::Calls | How::Uses => {
                    calls.entry(&edge.from).or_default().insert(&edge.to);
                }
                How::RunsOn => drop(machines.insert(edge.from.as_str(), edge.to.as_str())),
                How::PartOf => {}
            }
        }
        Self { calls, machines }
    }

    fn callees(&self, object: &str) -> impl Iterator<Item = &'a str> + '_ {
        self.calls.get(object).into_iter().flatten().copied()
    }

    fn lacks_nearby(&self, object: &str, lacking: &BTreeSet<&'a str>) -> bool {
        if self.calls.is_empty() {
            return !lacking.is_empty();
        }
        let machine = self.machines.get(object);
        let beside = |other: &&str| machine.is_some() && self.machines.get(*other) == machine;
        lacking.iter().any(beside) || self.reaches(object, lacking)
    }

    fn reaches(&self, from: &str, any: &BTreeSet<&'a str>) -> bool {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = self.callees(from).collect();
        while let Some(object) = open.pop() {
            if any.contains(object) {
                return true;
            }
            if seen.insert(object) {
                open.extend(self.callees(object));
            }
        }
        false
    }
}
