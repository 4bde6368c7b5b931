//! Says what the agents are built from: a hash over their code and everything of ours that they think
//! with, so that a certificate of one build speaks of no other.
#![expect(
    clippy::expect_used,
    reason = "a build that cannot read its own sources stops"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// Where agents' code is, seen from this crate.
const SOURCES: [&str; 7] = [
    "src",
    "kit/src",
    "llm/src",
    "../orchestrator/core/src",
    "../orchestrator/tools/src",
    "../orchestrator/diagnosis",
    "../Cargo.lock",
];

fn main() {
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        collect(Path::new(source), &mut files);
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(&file).expect("a source can be read");
        let name = file.to_string_lossy().into_owned();
        for part in [name.as_bytes(), &bytes] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    let hash: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo::rustc-env=OSTLER_AGENTS_BUILD={hash}");
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder of sources can be read") {
            collect(&entry.expect("its entries too").path(), files);
        }
    } else {
        files.push(path.to_owned());
    }
}
