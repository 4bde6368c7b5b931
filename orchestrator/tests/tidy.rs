//! Holds the shape of the house. The numbers are ratchets: they may only get smaller.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest production part of a file, in lines.
const LONGEST_FILE: usize = 400;
/// Longest function, in lines; clippy counts them with the same limit in `clippy.toml`.
const LONGEST_FUNCTION: usize = 70;
/// Folders of the top level; files of the root are free.
const TOP_LEVEL: [&str; 6] = [
    "agents",
    "docs",
    "evals",
    "migrations",
    "orchestrator",
    "policies",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in TOP_LEVEL {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "sources are where this test looks");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("//!"),
            "{} does not open with `//!`",
            file.display()
        );
    }
}

#[test]
fn files_stay_short() {
    let is_test = |file: &PathBuf| file.components().any(|part| part.as_os_str() == "tests");
    for file in sources().into_iter().filter(|file| !is_test(file)) {
        let text = fs::read_to_string(&file).unwrap();
        let production = text
            .split("#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .lines()
            .count();
        assert!(
            production <= LONGEST_FILE,
            "{} has {production} lines; split it by idea",
            file.display()
        );
    }
}

#[test]
fn functions_are_measured_with_the_same_limit() {
    let clippy = fs::read_to_string(root().join("clippy.toml")).unwrap();
    assert!(clippy.contains(&format!("too-many-lines-threshold = {LONGEST_FUNCTION}")));
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("too_many_lines ="));
}

#[test]
fn the_top_level_is_fixed() {
    let mut folders: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !name.starts_with("target"))
        .collect();
    folders.sort();
    assert_eq!(folders, TOP_LEVEL);
}

#[test]
fn nothing_silences_a_lint_without_a_reason() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let silenced = text.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with("#[allow(") || line.starts_with("#![allow(")
        });
        assert!(
            !silenced,
            "{} uses `allow`; use `expect` with a reason",
            file.display()
        );
    }
}
