//! How often a diagnosis was right.

use ostler_diagnosis::finding::{Diagnosis, Verdict};
use ostler_evals_import::case::Truth;

/// At which place, from 0, the right object was named.
pub fn place(diagnosis: &Diagnosis, truth: &Truth) -> Option<usize> {
    let Truth::Faulty { objects, .. } = truth else {
        return None;
    };
    diagnosis
        .findings
        .iter()
        .position(|finding| objects.contains(&finding.object))
}

/// Whether a healthy system was called so.
pub fn healthy(diagnosis: &Diagnosis) -> bool {
    diagnosis.verdict == Verdict::Healthy && diagnosis.findings.is_empty()
}

/// A share as it is printed.
pub fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
