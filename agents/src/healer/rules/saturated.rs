//! **More load than it can take**: every instance uses all the CPU that it may.
//!
//! Symptoms: broken promises. Tests: nothing of its spec changed before the trouble, every ready
//! instance that is known used nine tenths of its CPU limit over the last minute, and requests came
//! half as often again as before. Remedy: more instances or more CPU, which is a person's to give.
//! Confidence: 0.7.

use ostler_agents_kit::trend;
use ostler_core::signal::SignalKind;

use super::{
    Diagnosis, Judged, Remedy,
    asked::{Asked, MORE, RECENT},
    out,
    patient::{Patient, Trouble},
};

/// Share of the limit from which all is used.
const FULL: f64 = 0.9;

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    if patient.trouble() != Some(Trouble::Service) {
        return out("it does not serve badly");
    }
    if patient.recent_change().is_ok() {
        return out("its spec was changed before the trouble");
    }
    let Some(limit) = patient.facts.detail.value.spec.resources.limits.cpu else {
        return out("its CPU is not limited");
    };
    let cores = f64::from(u32::try_from(limit.0).unwrap_or(u32::MAX)) / 1_000.0;
    let from = patient.situation.now - RECENT;
    let ready = patient.facts.instances().filter(|one| one.ready);
    let used: Vec<f64> = ready
        .filter_map(|one| {
            let points = patient
                .facts
                .instance_points(&one.instance, SignalKind::CpuCores);
            trend::mean(trend::since(points, from))
        })
        .collect();
    if used.is_empty() || used.iter().any(|used| *used < cores * FULL) {
        return out("it does not use all the CPU that it may");
    }
    let asked = Asked::of(patient.facts, patient.onset(), patient.situation.now);
    let Some(asked) = asked else {
        return out("nothing is known of its load before the trouble");
    };
    if asked.times() < MORE {
        return out("its load did not grow");
    }
    let mut evidence = patient.symptoms();
    if let Some(signals) = &patient.facts.signals {
        evidence.push(signals.claim(format!("{} the trouble", asked.in_words())));
    }
    let explanation = format!(
        "it gets {:.1} times the usual requests and uses all of its {limit} CPU an instance",
        asked.times()
    );
    let advice = "add instances, raise its CPU limit, or find out who sends so much".to_owned();
    Judged::Fits(Diagnosis {
        confidence: 0.7,
        explanation,
        evidence,
        remedy: Remedy::Person(advice),
    })
}
