//! Says what the agents are built from: a hash over their code and everything of ours that they think
//! with, so that a certificate of one build speaks of no other.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// Where agents' code is, seen from this crate.
const SOURCES: [&str; 9] = [
    "src",
    "capacity/src",
    "kit/src",
    "llm/src",
    "upgrades/src",
    "../orchestrator/core/src",
    "../orchestrator/tools/src",
    "../orchestrator/diagnosis",
    "../Cargo.lock",
];

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        collect(Path::new(source), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(&file)?;
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
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}
