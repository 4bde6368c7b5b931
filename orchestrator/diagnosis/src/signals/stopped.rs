//! Work that ceased: who lost what it held in memory and does less than before was started anew.
//!
//! Beside [`super::resource`] and [`super::flow`]: of what falls, which is nobody's trouble by itself.

use std::collections::BTreeMap;

use crate::picture::{Measure, Picture};

use super::deviation::{self, Deviation};
use super::flow::Suspicion;

/// Surprises below this are noise, in standard deviations.
const SURE: f64 = 6.0;
/// Falls below this share of what was usual do not matter.
const MATTERS: f64 = 0.25;
/// How much a process speaks that lost its memory and its work.
const ANEW: f64 = 0.8;

/// What fell, by measure and object: the share that is left, and by which signal.
type Fallen<'a> = BTreeMap<(Measure, &'a str), Deviation<'a>>;

/// Suspicions by object, each with the deviation that shows it.
pub(crate) fn suspicions(picture: &Picture, noticed: f64) -> Vec<(&str, Suspicion, Deviation<'_>)> {
    started_anew(&fallen(picture, noticed))
}

fn fallen(picture: &Picture, noticed: f64) -> Fallen<'_> {
    let mut all = Fallen::new();
    for (index, signal) in picture.signals.iter().enumerate() {
        let works = matches!(
            signal.measure,
            Measure::Rate | Measure::Cpu | Measure::Memory
        );
        let Some(deviation) = works
            .then(|| deviation::fallen(index, signal, noticed))
            .flatten()
        else {
            continue;
        };
        all.entry((signal.measure, &signal.object))
            .or_insert(deviation);
    }
    all
}

/// Which part of what was usual is gone, where that is sure.
fn gone(deviation: &Deviation<'_>) -> f64 {
    let sure = deviation.surprise >= SURE && deviation.level > 0.0;
    if sure {
        (deviation.change / deviation.level).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// Load that goes takes no memory with it that a process holds for itself: only a new process has less.
fn started_anew<'a>(fallen: &Fallen<'a>) -> Vec<(&'a str, Suspicion, Deviation<'a>)> {
    let idle = |object: &'a str| {
        [Measure::Rate, Measure::Cpu].into_iter().any(|measure| {
            let work = fallen.get(&(measure, object));
            work.is_some_and(|work| gone(work) >= MATTERS)
        })
    };
    let memories = fallen.iter().filter(|((measure, object), deviation)| {
        *measure == Measure::Memory && gone(deviation) >= MATTERS && idle(object)
    });
    memories
        .map(|((_, object), memory)| {
            let told = Suspicion {
                signal: memory.index,
                measure: Measure::Restarts,
                weight: ANEW,
                own: 1.0,
            };
            (*object, told, memory.clone())
        })
        .collect()
}
