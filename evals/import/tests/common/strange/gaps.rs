//! A part of what was recorded was not seen.

use ostler_diagnosis::picture::Picture;
use ostler_evals_import::case::Case;

use super::chance;

/// Of each list of the picture, and of the facts, this share is not seen.
pub fn thinned(case: &Case, share: f64, salt: &str) -> Case {
    let mut case = case.clone();
    let Picture {
        objects,
        signals,
        events,
        logs,
        ..
    } = &mut case.picture;
    let keeps = |what: String| chance(&format!("{salt}/{}/{what}", case.id)) >= share;
    signals.retain(|one| keeps(format!("{}/{}", one.object, one.name)));
    events.retain(|one| keeps(format!("{}/{}/{}", one.object, one.reason, one.message)));
    logs.retain(|one| keeps(format!("{}/{}", one.object, one.line)));
    for (id, object) in objects {
        object.facts.retain(|name, _| keeps(format!("{id}/{name}")));
    }
    case
}

/// This share of all numbers over time was not recorded, point by point.
pub fn sparse(case: &Case, share: f64, salt: &str) -> Case {
    let mut case = case.clone();
    for signal in &mut case.picture.signals {
        let name = format!("{salt}/{}/{}/{}", case.id, signal.object, signal.name);
        signal
            .points
            .retain(|(at, _)| chance(&format!("{name}/{at}")) >= share);
    }
    case
}
