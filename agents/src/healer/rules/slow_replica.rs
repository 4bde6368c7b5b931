//! **One sick instance**: it answers, but late, while its siblings do the same work in time.
//!
//! Symptoms: broken promises. Tests: nothing of its spec changed before the trouble, at least two
//! instances are ready, and exactly one of them takes far longer over its probes than the median of
//! the others. Remedy: restart that one. Confidence: 0.75. Out when several are slow, for then the
//! cause is shared.

use ostler_agents_kit::trend;
use ostler_core::{signal::SignalKind, time::Span};
use ostler_tools::answer::InstanceInfo;

use super::{
    Diagnosis, Judged, Remedy, out,
    patient::{Patient, Trouble},
};

/// Over how long probes are looked at.
const RECENT: Span = Span::minutes(1);
/// A probe that takes less is quick, whatever others take.
const SLOW: f64 = 0.1;
/// So many times what others take is far longer.
const FAR_LONGER: f64 = 5.0;

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    if patient.trouble() != Some(Trouble::Service) {
        return out("it does not serve badly");
    }
    if let Ok(change) = patient.recent_change() {
        return out(format!(
            "the last change touched {}, for all instances alike",
            change.fields()
        ));
    }
    let mut probes = probes(patient);
    probes.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let Some(((one, takes), others)) = probes.split_last() else {
        return out("nothing is known of how long its probes take");
    };
    let Some((_, median)) = others.get(others.len() / 2) else {
        return out("there is no other instance to compare with");
    };
    let second = others.last().map_or(0.0, |(_, second)| *second);
    if *takes < SLOW || *takes < FAR_LONGER * median || second >= SLOW.max(FAR_LONGER * median) {
        return out("no single instance is slower than its siblings");
    }
    let mut evidence = patient.symptoms();
    if let Some(signals) = patient.facts.instance_signals.get(&one.instance) {
        evidence.push(signals.claim(format!(
            "probes of `{}` take {takes:.2} s, of the others {median:.3} s",
            one.instance
        )));
    }
    let explanation = format!(
        "`{}` alone answers late; {} others of the same make do not",
        one.instance,
        others.len()
    );
    Judged::Fits(Diagnosis {
        confidence: 0.75,
        explanation,
        evidence,
        remedy: Remedy::Restart(one.instance.clone()),
    })
}

/// Ready instances with how long their probes took over the last minute.
fn probes<'a>(patient: &Patient<'a>) -> Vec<(&'a InstanceInfo, f64)> {
    let from = patient.situation.now - RECENT;
    let took = |one: &'a InstanceInfo| {
        let points = patient
            .facts
            .instance_points(&one.instance, SignalKind::ProbeSeconds);
        Some((one, trend::mean(trend::since(points, from))?))
    };
    let ready = patient.facts.instances().filter(|one| one.ready);
    ready.filter_map(took).collect()
}
