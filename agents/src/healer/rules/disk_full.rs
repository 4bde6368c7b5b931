//! **A full disk or volume.**
//!
//! Symptoms: start failures, failing writes, or the share of a disk in use. Tests: the backend says
//! no space, or a volume or disk is nine tenths full (nineteen twentieths for a machine's), or the
//! log says so and one of them is at least four fifths full. Remedy: none that is safe: a person
//! frees space. Confidence: 0.95 where it is all there is, or the service itself is shown to suffer from
//! it; 0.5 where a machine's disk is full beside other symptoms: they may have a cause of their own.

use ostler_agents_kit::{situation::points, symptom::SymptomKind, trend};
use ostler_core::{
    incident::Evidence,
    observed::ProblemKind,
    signal::{Point, SignalKind},
};

use super::{Diagnosis, Judged, Remedy, out, patient::Patient};

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    let mut evidence = Vec::new();
    let mut where_to = Vec::new();
    for (instance, _) in patient
        .start_problems()
        .filter(|(_, kind)| *kind == ProblemKind::DiskFull)
    {
        let claim = format!(
            "`{instance}` cannot be started: no space is left{}",
            patient.start_detail(instance)
        );
        evidence.push(patient.facts.detail.untrusted_claim(claim));
        where_to.push("the disk of the instances' node".to_owned());
    }
    let said = said_in_logs(patient);
    let relief = if said.is_some() { 0.1 } else { 0.0 };
    if let Some(share) =
        last(patient.facts.points(SignalKind::DiskShare)).filter(|share| *share > 0.9 - relief)
    {
        if let Some(signals) = &patient.facts.signals {
            evidence.push(signals.claim(format!("its volume is {:.0} % full", share * 100.0)));
        }
        where_to.push("its volume".to_owned());
    }
    let suffers = !evidence.is_empty() || said.is_some() || nothing_else(patient);
    for (node, signals) in &patient.situation.nodes {
        let share = last(points(&signals.value, SignalKind::DiskShare));
        if let Some(share) = share.filter(|share| *share > 0.95 - relief) {
            evidence.push(signals.claim(format!(
                "the disk of node `{node}` is {:.0} % full",
                share * 100.0
            )));
            where_to.push(format!("the disk of node `{node}`"));
        }
    }
    if evidence.is_empty() {
        return out("no disk or volume is full");
    }
    evidence.extend(said);
    where_to.dedup();
    let places = where_to.join(" and ");
    let remedy = Remedy::Person(format!(
        "free or enlarge {places}; what may be deleted is not for an agent to decide"
    ));
    let explanation = format!("{places} has no space left for `{}`", patient.facts.key());
    Judged::Fits(Diagnosis {
        confidence: if suffers { 0.95 } else { 0.5 },
        explanation,
        evidence,
        remedy,
    })
}

/// Whether a disk that fills up is all that is wrong with the service.
fn nothing_else(patient: &Patient<'_>) -> bool {
    patient
        .situation
        .symptoms_of(patient.facts.key())
        .all(|symptom| symptom.kind == SymptomKind::DiskFilling)
}

fn last(points: &[Point]) -> Option<f64> {
    trend::mean(
        points
            .get(points.len().saturating_sub(3)..)
            .unwrap_or_default(),
    )
}

fn said_in_logs(patient: &Patient<'_>) -> Option<Evidence> {
    let says = |text: &ostler_agents_kit::text::Untrusted| {
        text.mentions(&["no space left", "enospc", "disk quota"])
    };
    let (id, log, template) = patient
        .facts
        .templates()
        .find(|(_, _, template)| says(&template.text))?;
    Some(log.untrusted_claim(format!(
        "`{id}` logs {} ({} times)",
        template.text, template.count
    )))
}
