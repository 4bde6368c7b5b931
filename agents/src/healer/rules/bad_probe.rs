//! **A misconfigured probe**: it asks the wrong thing; the service itself works.
//!
//! Symptoms: instances run but do not get ready, or are restarted for liveness again and again.
//! Tests: they do not end by themselves, the probe says no since the generation that changed the
//! probe or a port, and nothing that could break the process itself changed. Remedy: go back.
//! Confidence: 0.75, 0.9 when only probes and ports changed, a little more when it still serves
//! requests. Without such a change it cannot be told from a service that is not ready: out.

use ostler_agents_kit::{text::Untrusted, trend};
use ostler_core::{signal::SignalKind, time::Span};

use super::{
    Diagnosis, Judged, Remedy, out,
    patient::{Patient, Trouble},
};

const PROBES: &[&str] = &["probes", "ports"];

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    if patient.trouble() != Some(Trouble::Probes) {
        return out("probes are not what fails");
    }
    if patient.failures().iter().any(|(_, exit)| !exit.liveness) {
        return out("it ends by itself too");
    }
    let change = match patient.recent_change() {
        Ok(change) if change.touches(PROBES) => change,
        Ok(change) => {
            return out(format!(
                "the last change touched {}, no probe",
                change.fields()
            ));
        }
        Err(why) => return out(format!("no change of a probe explains it: {why}")),
    };
    let mut evidence = patient.symptoms();
    evidence.extend(patient.change_evidence(&change));
    for (one, since, reason) in patient.not_ready().into_iter().take(2) {
        let for_long = super::patient::coarse(patient.situation.now.since(since));
        let claim = format!(
            "`{}` runs, its probe says no for {for_long}: {}",
            one.instance,
            Untrusted::new(reason)
        );
        evidence.push(patient.facts.detail.untrusted_claim(claim));
    }
    let mut confidence = if change.touches_only(PROBES) {
        0.9
    } else {
        0.72
    };
    let recent = trend::since(
        patient.facts.points(SignalKind::RequestRate),
        patient.situation.now - Span::minutes(1),
    );
    if let (Some(rate), Some(signals)) = (
        trend::mean(recent).filter(|rate| *rate > 0.1),
        &patient.facts.signals,
    ) {
        confidence += 0.05;
        evidence.push(signals.claim(format!(
            "it answers {rate:.1} requests a second all the same"
        )));
    }
    let explanation = format!(
        "the processes run and do not fail; their probe says no since the last change touched {}",
        change.fields()
    );
    Judged::Fits(Diagnosis {
        confidence,
        explanation,
        evidence,
        remedy: Remedy::RollBack(change.back.generation),
    })
}
