//! **A crash by itself**: it fails again and again, and no change, limit or need explains it.
//!
//! Symptoms: crash loop or flapping. Tests: at least three failing ends of the current generation.
//! Remedy: the core already restarts it; a person must look. Confidence: 0.5, as it is what is left
//! when every other cause is out.

use ostler_agents_kit::template::speaks_of_failure;

use super::{Diagnosis, Judged, Remedy, out, patient::Patient};

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    let failures = patient.failures();
    let Some((one, exit)) = failures.last().filter(|_| failures.len() >= 3) else {
        return out("it does not fail again and again");
    };
    let mut evidence = patient.symptoms();
    let how = exit.in_words();
    let claim = format!(
        "`{}` ended {} times, the last time by {how}",
        one.instance,
        failures.len()
    );
    evidence.push(patient.facts.detail.claim(claim));
    let said = patient
        .facts
        .templates()
        .filter(|(_, _, template)| speaks_of_failure(&template.text))
        .take(3);
    evidence.extend(said.map(|(id, log, template)| {
        log.untrusted_claim(format!(
            "`{id}` logs {} ({} times)",
            template.text, template.count
        ))
    }));
    let explanation =
        format!("it fails by itself ({how}); no recent change, limit or need explains it");
    let advice =
        "look at its logs and its code; the core goes on restarting it with growing delays"
            .to_owned();
    Judged::Fits(Diagnosis {
        confidence: 0.5,
        explanation,
        evidence,
        remedy: Remedy::Person(advice),
    })
}
