//! **A bad image reference**: the image names nothing, is broken, or may not run.
//!
//! Symptoms: instances cannot be started. Tests: the backend says image not found, corrupt or refused
//! by the rules about signatures (or the registry cannot be reached, which is no fault of the
//! reference). Remedy: where a change brought the image, go back; otherwise a person. Confidence:
//! 0.97, the backend knows.

use ostler_core::observed::ProblemKind;

use super::{Diagnosis, Judged, Remedy, out, patient::Patient};
use crate::healer::notice::words;

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    let about_image = |kind: &ProblemKind| {
        matches!(
            kind,
            ProblemKind::ImageNotFound
                | ProblemKind::ImageCorrupt
                | ProblemKind::ImageRefused
                | ProblemKind::RegistryUnavailable
        )
    };
    let Some((instance, kind)) = patient.start_problems().find(|(_, kind)| about_image(kind))
    else {
        return out("its image can be pulled");
    };
    let image = &patient.facts.detail.value.spec.image;
    let mut evidence = patient.symptoms();
    let detail = patient.start_detail(instance);
    let claim = format!(
        "`{instance}` cannot be started from image `{image}`: {}{detail}",
        words(kind)
    );
    evidence.push(patient.facts.detail.untrusted_claim(claim));
    if kind == ProblemKind::RegistryUnavailable {
        let explanation =
            format!("the registry of `{image}` cannot be reached; what runs is not affected");
        let remedy = Remedy::Wait(
            "the registry may come back; a person should look at it if it does not".to_owned(),
        );
        return Judged::Fits(Diagnosis {
            confidence: 0.8,
            explanation,
            evidence,
            remedy,
        });
    }
    let change = patient
        .recent_change()
        .ok()
        .filter(|change| change.touches(&["image"]));
    let (explanation, remedy) = match change {
        Some(change) => {
            evidence.extend(patient.change_evidence(&change));
            let old = &change.back.image;
            let explanation = format!(
                "the last change set image `{image}`: {}; before it was `{old}`",
                words(kind)
            );
            (explanation, Remedy::RollBack(change.back.generation))
        }
        None => {
            let advice = advice(kind, image);
            (
                format!("image `{image}`: {}", words(kind)),
                Remedy::Person(advice),
            )
        }
    };
    Judged::Fits(Diagnosis {
        confidence: 0.97,
        explanation,
        evidence,
        remedy,
    })
}

/// What a person can do where no change leads back.
fn advice(kind: ProblemKind, image: &str) -> String {
    match kind {
        ProblemKind::ImageRefused => format!(
            "sign `{image}`, or look at the rules about signatures; no recent change leads back to an image that may run"
        ),
        _ => format!(
            "push `{image}` or correct `spec.image`; no recent change leads back to a good image"
        ),
    }
}
