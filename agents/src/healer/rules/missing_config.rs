//! **A missing secret or config file.**
//!
//! Symptoms: instances cannot be started, or end at once. Tests: the backend says that a secret or a
//! volume's path is missing; or the process ends with 78 (sysexits' EX_CONFIG), or fails while its
//! log names a file it cannot find and the last change touched files, secrets, environment or
//! arguments. Remedy: go back where a change brought it; otherwise a person puts it there.
//! Confidence: 0.97 where the backend says so; 0.7 to 0.96 where exit code and log do.

use ostler_agents_kit::text::Untrusted;
use ostler_core::{incident::Evidence, observed::ProblemKind};

use super::{Diagnosis, Judged, Remedy, out, patient::Patient};
use crate::healer::notice::words;

/// Exit code of a configuration error, see sysexits.h.
const EX_CONFIG: i32 = 78;
const SOURCES: &[&str] = &[
    "secrets",
    "configs",
    "volumes",
    "env",
    "args",
    "command",
    "workingDir",
];

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    let missing = |kind: &ProblemKind| {
        matches!(
            kind,
            ProblemKind::SecretMissing | ProblemKind::VolumeMissing
        )
    };
    let mut evidence = patient.symptoms();
    if let Some((instance, kind)) = patient.start_problems().find(|(_, kind)| missing(kind)) {
        let detail = patient.start_detail(instance);
        evidence.push(
            patient
                .facts
                .detail
                .untrusted_claim(format!("`{instance}`: {}{detail}", words(kind))),
        );
        let named: Vec<String> = patient
            .facts
            .detail
            .value
            .missing_secrets
            .iter()
            .map(ToString::to_string)
            .collect();
        if !named.is_empty() {
            let claim = format!(
                "nobody put the secret {} that the spec names",
                named.join(", ")
            );
            evidence.push(patient.facts.detail.claim(claim));
        }
        return diagnose(patient, 0.97, words(kind).to_owned(), evidence);
    }
    let failures = patient.failures();
    let config_exit = failures
        .iter()
        .filter(|(_, exit)| exit.code == Some(EX_CONFIG))
        .count();
    let named = file_in_logs(patient);
    let touched = patient
        .recent_change()
        .is_ok_and(|change| change.touches(SOURCES));
    if failures.len() < 2 || !(config_exit > 0 || (named.is_some() && touched)) {
        return out("no secret, file or volume is reported missing");
    }
    let confidence = match (config_exit > 0, named.is_some(), touched) {
        (true, true, _) => 0.96,
        (true, false, _) => 0.8,
        (false, _, _) => 0.7,
    };
    if config_exit > 0 {
        let claim = format!(
            "it ended {config_exit} times with exit code {EX_CONFIG}, a configuration error"
        );
        evidence.push(patient.facts.detail.claim(claim));
    }
    evidence.extend(named);
    diagnose(
        patient,
        confidence,
        "it cannot find what it is configured with".to_owned(),
        evidence,
    )
}

fn diagnose(
    patient: &Patient<'_>,
    confidence: f64,
    what: String,
    mut evidence: Vec<Evidence>,
) -> Judged {
    let change = patient
        .recent_change()
        .ok()
        .filter(|change| change.touches(SOURCES));
    let (explanation, remedy) = match change {
        Some(change) => {
            evidence.extend(patient.change_evidence(&change));
            let explanation = format!(
                "{what} since the last change, which touched {}",
                change.fields()
            );
            (explanation, Remedy::RollBack(change.back.generation))
        }
        None => {
            let advice =
                "put the missing secret or file there; no recent change brought the need for it"
                    .to_owned();
            (what, Remedy::Person(advice))
        }
    };
    Judged::Fits(Diagnosis {
        confidence,
        explanation,
        evidence,
        remedy,
    })
}

/// A log line that names a file which is not there.
fn file_in_logs(patient: &Patient<'_>) -> Option<Evidence> {
    let says_missing = |text: &Untrusted| {
        text.mentions(&[
            "no such file",
            "not found",
            "cannot open",
            "missing",
            "enoent",
        ]) && text.as_str().contains('/')
    };
    let (id, log, template) = patient
        .facts
        .templates()
        .find(|(_, _, template)| says_missing(&template.text))?;
    Some(log.untrusted_claim(format!(
        "`{id}` logs {} ({} times)",
        template.text, template.count
    )))
}
