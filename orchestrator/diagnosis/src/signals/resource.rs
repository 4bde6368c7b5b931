//! Trouble with what an object is given: processor, memory, disk, queues, restarts.
//! It does not travel along calls, so each object is looked at for itself, and beside its peers.

use std::collections::BTreeMap;

use crate::picture::Measure;

use super::deviation::Deviation;
use super::flow::Suspicion;
use super::stats::{median, sorted};

/// Surprises below this are noise, in standard deviations.
const SURE: f64 = 6.0;
/// Changes below this share of what is usual for such objects do not matter.
const MATTERS: f64 = 0.25;
/// Nothing matters more than this many times what is usual: ten times nothing has no end.
const UTMOST: f64 = 1e6;

/// Suspicions by object, weightiest first.
pub(crate) fn suspicions<'a>(deviations: &[Deviation<'a>]) -> BTreeMap<&'a str, Vec<Suspicion>> {
    let usual = usual(deviations);
    let mut all: BTreeMap<&str, Vec<Suspicion>> = BTreeMap::new();
    for deviation in deviations.iter().filter(|d| d.surprise >= SURE) {
        let measure = deviation.signal.measure;
        let Some(peers) = usual.get(&measure) else {
            continue;
        };
        let size = deviation.change / deviation.level.abs().max(*peers).max(f64::MIN_POSITIVE);
        let size = size.min(UTMOST);
        if size >= MATTERS {
            let found = Suspicion {
                signal: deviation.index,
                measure,
                weight: size / (1.0 + size),
                own: 1.0,
            };
            all.entry(deviation.signal.object.as_str())
                .or_default()
                .push(found);
        }
    }
    for found in all.values_mut() {
        found.sort_by(|a, b| memory_first(a, b).then(b.weight.total_cmp(&a.weight)));
    }
    all
}

/// Taking memory takes processor time, while computing takes no memory: growth of memory that
/// matters explains the processor's use beside it, and not the other way round.
fn memory_first(a: &Suspicion, b: &Suspicion) -> std::cmp::Ordering {
    (a.measure != Measure::Memory).cmp(&(b.measure != Measure::Memory))
}

/// The level that is usual among all objects, by what is measured: ten times nothing is still nothing.
fn usual(deviations: &[Deviation<'_>]) -> BTreeMap<Measure, f64> {
    let mut levels: BTreeMap<Measure, Vec<f64>> = BTreeMap::new();
    for deviation in deviations.iter().filter(|d| is_resource(d.signal.measure)) {
        levels
            .entry(deviation.signal.measure)
            .or_default()
            .push(deviation.level.abs());
    }
    levels
        .into_iter()
        .filter_map(|(measure, all)| Some((measure, median(&sorted(all))?)))
        .collect()
}

fn is_resource(measure: Measure) -> bool {
    use Measure::{Cpu, Disk, Load, Memory, Network, Restarts};
    matches!(measure, Cpu | Memory | Disk | Network | Load | Restarts)
}
