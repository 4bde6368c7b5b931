//! Words for what was found: the cause's name, and what shows it.

use std::collections::BTreeSet;

use crate::finding::Evidence;
use crate::picture::{Measure, Picture};

use super::deviation::Deviation;
use super::flow::Suspicion;

/// A rise of requests counts from here, in standard deviations.
const RISE_SURE: f64 = 5.0;
/// And by this share of what was usual.
const RISE_MATTERS: f64 = 0.5;

/// The cause that the weightiest suspicion stands for. What an object is given comes before how it
/// does: lack of it explains slowness and failures.
pub(crate) fn name(found: &[Suspicion], asked_more: bool) -> Option<&'static str> {
    let given = found
        .iter()
        .find_map(|suspicion| resource(suspicion.measure));
    let weightiest = found.iter().max_by(|a, b| a.weight.total_cmp(&b.weight))?;
    match given {
        Some(given) => Some(given),
        None if asked_more => Some("overload"),
        None => match weightiest.measure {
            Measure::Errors | Measure::Availability => Some("errors"),
            Measure::Latency => Some("slow"),
            _ => None,
        },
    }
}

fn resource(measure: Measure) -> Option<&'static str> {
    match measure {
        Measure::Memory => Some("memory_growth"),
        Measure::Cpu => Some("cpu_saturated"),
        Measure::Disk => Some("disk_pressure"),
        Measure::Network => Some("network_change"),
        Measure::Load => Some("queue_growth"),
        Measure::Restarts => Some("restarts"),
        _ => None,
    }
}

/// Objects that are asked far more than before, and by none that is itself asked more.
pub(crate) fn rising<'a>(picture: &'a Picture, deviations: &[Deviation<'a>]) -> BTreeSet<&'a str> {
    let rose = |d: &&Deviation<'_>| {
        let more = d.after - d.level;
        d.signal.measure == Measure::Rate
            && d.surprise >= RISE_SURE
            && more >= RISE_MATTERS * d.level.abs()
    };
    let all: BTreeSet<&str> = deviations
        .iter()
        .filter(rose)
        .map(|d| d.signal.object.as_str())
        .collect();
    let handed_on = |object: &str| {
        picture
            .edges
            .iter()
            .any(|edge| edge.to == object && all.contains(edge.from.as_str()))
    };
    all.iter()
        .copied()
        .filter(|object| !handed_on(object))
        .collect()
}

/// What shows it.
pub(crate) fn evidence(suspicion: &Suspicion, deviation: &Deviation<'_>) -> Option<Evidence> {
    let own = if suspicion.own < 0.5 {
        ", most of it from what it calls"
    } else {
        ""
    };
    let Deviation {
        before,
        level,
        after,
        surprise,
        ..
    } = deviation;
    let explained = if (level - before).abs() > 0.05 * before.abs() {
        format!(" (its load explains {level:.4})")
    } else {
        String::new()
    };
    let what = measured(deviation.signal.measure)?;
    let how_far = surprise.min(999.0);
    Some(Evidence {
        from: format!("signals/{}", suspicion.signal),
        shows: format!(
            "{what} went from {before:.4} to {after:.4}{explained}, {how_far:.0} times its usual swing{own}"
        ),
    })
}

fn measured(measure: Measure) -> Option<&'static str> {
    match measure {
        Measure::Rate => Some("requests"),
        Measure::Errors => Some("errors"),
        Measure::Availability => Some("availability"),
        Measure::Latency => Some("latency"),
        Measure::Cpu => Some("processor use"),
        Measure::Memory => Some("memory use"),
        Measure::Disk => Some("disk"),
        Measure::Network => Some("network traffic"),
        Measure::Load => Some("queued work"),
        Measure::Restarts => Some("restarts"),
        Measure::Other => None,
    }
}
