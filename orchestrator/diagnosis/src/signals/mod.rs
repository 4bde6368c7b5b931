//! From numbers over time to ranked causes.
//!
//! On the data's way this stands between the picture and the diagnosis: [`asked`] says what a change
//! of load explains, [`deviation`] how far each signal left its normal beyond that, [`flow`],
//! [`resource`] and [`stopped`] whom that speaks against, [`effect`] what of it follows from the rest,
//! and here it is put together. It reads signals and dependencies only; texts are not looked at.
//!
//! Causes that are named:
//!
//! | cause | when |
//! |---|---|
//! | `memory_growth` | it uses far more memory than before |
//! | `cpu_saturated` | it uses far more processor than before and than it is asked more |
//! | `disk_pressure` | its disk's use or traffic changed much, and not with what it is asked |
//! | `network_change` | its traffic changed much, and not with what it is asked |
//! | `queue_growth` | far more work is queued or under way than its requests and their time explain |
//! | `restarts` | it is started anew again and again, or lost its memory and its work |
//! | `overload` | slow or failing, and asked far more than before by nobody that is itself asked more |
//! | `errors` | failures arise in it |
//! | `slow` | the time is lost in it |

pub mod anomaly;
pub(crate) mod asked;
pub(crate) mod cause;
pub(crate) mod deviation;
pub(crate) mod effect;
pub(crate) mod flow;
pub(crate) mod onset;
pub(crate) mod resource;
pub(crate) mod season;
pub(crate) mod stats;
pub(crate) mod stopped;

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Diagnosis, Finding, Verdict};
use crate::picture::{Measure, Picture, Signal};

use deviation::Deviation;
use flow::Suspicion;

/// Deviations of what has no bad side make the verdict «unknown» from here, in standard deviations.
const STRANGE: f64 = 12.0;
/// What the symptom does not depend on counts this much.
const ELSEWHERE: f64 = 0.2;

/// Ranks the causes that the picture's signals speak for.
///
/// Everything before [`Picture::noticed`] is taken for normal; where it is missing, the moment is
/// looked for. Healthy where nothing left its normal for the worse, unknown where something changed
/// that has no bad side.
#[must_use]
pub fn rank(picture: &Picture) -> Diagnosis {
    let Some(noticed) = picture.noticed.or_else(|| onset::find(picture)) else {
        return Diagnosis {
            verdict: Verdict::Healthy,
            findings: Vec::new(),
        };
    };
    let deviations = deviations(picture, noticed);
    let mut findings = findings(picture, &deviations, noticed);
    findings.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.object.cmp(&b.object))
    });
    let verdict = match findings.is_empty() {
        false => Verdict::Found,
        true if strange(picture, &deviations) => Verdict::Unknown,
        true => Verdict::Healthy,
    };
    Diagnosis { verdict, findings }
}

/// What left its normal, beyond what a change of load explains.
fn deviations(picture: &Picture, noticed: f64) -> Vec<Deviation<'_>> {
    let asked = asked::Asked::of(picture, noticed);
    let before = |signal: &&Signal| signal.points.first().is_some_and(|(at, _)| *at < noticed);
    let watched: BTreeSet<&str> = (picture.signals.iter().filter(before))
        .map(|signal| signal.object.as_str())
        .collect();
    let signals = picture.signals.iter().enumerate();
    let moved = signals.filter_map(|(index, signal)| {
        let known = watched.contains(signal.object.as_str());
        let newly = || known.then(|| deviation::first_counted(index, signal, noticed))?;
        deviation::of(index, signal, noticed, asked.explains(signal)).or_else(newly)
    });
    moved.collect()
}

fn findings(picture: &Picture, deviations: &[Deviation<'_>], noticed: f64) -> Vec<Finding> {
    let mut all = resource::suspicions(deviations);
    let mut by_place: BTreeMap<usize, Deviation<'_>> =
        deviations.iter().map(|d| (d.index, d.clone())).collect();
    for (object, suspicion, deviation) in stopped::suspicions(picture, noticed) {
        by_place.insert(deviation.index, deviation);
        let held = all.entry(object).or_default();
        if held.iter().all(|one| one.signal != suspicion.signal) {
            held.push(suspicion);
        }
    }
    let near = near(picture);
    if let Some(near) = &near {
        for (_, found) in all.iter_mut().filter(|(object, _)| !near.contains(*object)) {
            found
                .iter_mut()
                .for_each(|suspicion| suspicion.weight *= ELSEWHERE);
        }
    }
    for measure in [Measure::Errors, Measure::Availability, Measure::Latency] {
        for (object, suspicion) in flow::suspicions(picture, deviations, measure) {
            all.entry(object).or_default().push(suspicion);
        }
    }
    effect::damp(picture, deviations, &mut all);
    let rising = cause::rising(picture, deviations);
    let finding = |(object, found): (&str, Vec<Suspicion>)| Finding {
        object: object.to_owned(),
        cause: cause::name(&found, rising.contains(object)).map(str::to_owned),
        score: together(&found),
        evidence: found
            .iter()
            .filter_map(|s| cause::evidence(s, by_place.get(&s.signal)?))
            .collect(),
    };
    all.into_iter().map(finding).collect()
}

/// Pieces of evidence together: each takes its share of the doubt that the others leave.
fn together(found: &[Suspicion]) -> f64 {
    1.0 - found
        .iter()
        .map(|suspicion| 1.0 - suspicion.weight.clamp(0.0, 1.0))
        .product::<f64>()
}

/// What the symptom depends on, over any number of steps; nothing where that is not known.
fn near(picture: &Picture) -> Option<BTreeSet<&str>> {
    let symptom = picture.symptom.as_deref()?;
    let mut seen = BTreeSet::from([symptom]);
    let mut open = vec![symptom];
    while let Some(object) = open.pop() {
        for edge in picture.edges.iter().filter(|edge| edge.from == object) {
            if seen.insert(&edge.to) {
                open.push(&edge.to);
            }
        }
    }
    (seen.len() > 1).then_some(seen)
}

/// Whether something without a bad side changed much: of the symptom's owner, where that is known.
fn strange(picture: &Picture, deviations: &[Deviation<'_>]) -> bool {
    let sideless = |measure| matches!(measure, Measure::Rate | Measure::Other);
    let concerns = |object: &str| {
        picture
            .symptom
            .as_deref()
            .is_none_or(|symptom| symptom == object)
    };
    let strange = |d: &Deviation<'_>| sideless(d.signal.measure) && d.surprise >= STRANGE;
    deviations
        .iter()
        .any(|d| strange(d) && concerns(&d.signal.object))
}

#[cfg(test)]
mod tests;
