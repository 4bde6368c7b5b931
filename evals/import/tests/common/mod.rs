//! Where other people's incidents lie, and how often a diagnosis was right.

use std::path::PathBuf;

use ostler_diagnosis::finding::{Diagnosis, Verdict};
use ostler_evals_import::case::Truth;

/// The folder of one set; nothing, and a loud word, where it is missing.
pub fn folder(set: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root =
        std::env::var_os("OSTLER_INCIDENTS").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let folder = root.join(set);
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "SKIPPED: no folder {}; put the set there or name its parent in OSTLER_INCIDENTS",
        folder.display()
    );
    None
}

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
