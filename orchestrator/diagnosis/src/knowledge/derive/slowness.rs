//! Which services became slow, and by how much.

use std::collections::{BTreeMap, BTreeSet};

use super::shift::{self, Shift};
use crate::knowledge::cause::Who;
use crate::knowledge::view::View;
use crate::picture::{Kind, Measure};

/// Slower by less is not felt by anybody, in the signal's unit (milliseconds in every known source).
const FELT: f64 = 5.0;
/// So many times slower is told even though nobody complained.
const UNTOLD: f64 = 5.0;

/// A service that became slow.
pub struct Slow<'p> {
    /// By how much, by the name of what was measured (the median, a high percentile).
    pub deltas: BTreeMap<&'p str, f64>,
    /// How many times slower, at most.
    pub times: f64,
    /// Whom it calls, however far.
    pub leans_on: BTreeSet<&'p str>,
    /// The signal that shows it best.
    pub from: String,
}

impl Slow<'_> {
    /// By how much, at most.
    pub fn delta(&self) -> f64 {
        self.deltas.values().copied().fold(0.0, f64::max)
    }
}

/// Slow services by id.
pub type AllSlow<'p> = BTreeMap<&'p str, Slow<'p>>;

/// Everything that became slow when trouble was noticed.
pub fn slow<'p>(view: &View<'p>) -> AllSlow<'p> {
    let mut slow: AllSlow = BTreeMap::new();
    let Some(noticed) = view.picture.noticed else {
        return slow;
    };
    let told = view.picture.symptom.is_some() || view.anybody_alerted();
    for (place, signal) in view.picture.signals.iter().enumerate() {
        let service = view.kind(&signal.object) == Some(Kind::Service);
        if !service || signal.measure != Measure::Latency {
            continue;
        }
        let Some(moved) = shift::of(signal, noticed).filter(|moved| felt(moved, told)) else {
            continue;
        };
        // Trouble that comes and goes shows in the upper quartile alone.
        let delta = (moved.after_middle - moved.before).max((moved.after - moved.before) / 4.0);
        if delta < FELT {
            continue;
        }
        let one = slow.entry(&signal.object).or_insert_with(|| Slow {
            deltas: BTreeMap::new(),
            times: 0.0,
            leans_on: calls(view, &signal.object),
            from: String::new(),
        });
        if delta > one.delta() {
            one.from = format!("signals/{place}");
            one.times = moved.after / moved.before.max(1.0);
        }
        one.deltas.insert(&signal.name, delta);
    }
    slow
}

/// Where somebody complained, a change is looked for; where nobody did, only a great one is told.
fn felt(moved: &Shift, told: bool) -> bool {
    if told {
        moved.risen(1.5)
    } else {
        moved.risen(UNTOLD) && moved.beyond()
    }
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
