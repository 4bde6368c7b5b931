//! What the README and the docs tell people to type exists, and their manifests are accepted.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use ostler::cli::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Pages written by hand.
fn pages() -> Vec<(PathBuf, String)> {
    let mut paths = vec![
        root().join("README.md"),
        root().join("ARCHITECTURE.md"),
        root().join("CONTRIBUTING.md"),
    ];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The fenced blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn every_command_exists() {
    let mut checked = 0;
    for (path, page) in pages() {
        for block in blocks(&page, "sh") {
            for line in block
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with("ostler "))
            {
                let command = line.split('#').next().unwrap().replace('…', "x");
                let words: Vec<&str> = command.split_whitespace().collect();
                if let Err(error) = Cli::try_parse_from(&words) {
                    assert!(!error.use_stderr(), "{}: `{line}`: {error}", path.display());
                }
                checked += 1;
            }
        }
    }
    assert!(
        checked >= 10,
        "commands are where this test looks: {checked}"
    );
}

#[test]
fn every_manifest_is_accepted() {
    let mut checked = 0;
    for (path, page) in pages() {
        for block in blocks(&page, "yaml")
            .into_iter()
            .filter(|block| block.contains("kind: Service"))
        {
            let read = ostler_core::spec::read_manifests(block);
            assert!(read.is_ok(), "{}: {read:?}\n{block}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 1, "manifests are where this test looks");
}

#[test]
fn every_configuration_is_accepted() {
    let mut checked = 0;
    for (path, page) in pages() {
        for block in blocks(&page, "yaml config") {
            let read = ostler::settings::Settings::parse(block, Path::new("."));
            assert!(read.is_ok(), "{}: {read:?}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 1, "configurations are where this test looks");
}

#[test]
fn the_two_scripts_are_there() {
    for script in ["demo.sh", "test.sh", ".ci/run"] {
        let text = fs::read_to_string(root().join(script)).expect(script);
        assert!(text.starts_with("#!/usr/bin/env bash"), "{script}");
    }
}

/// Names in back-ticks in a table's last column.
fn tests_named(page: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let last = rows.filter_map(|line| line.trim_end_matches('|').rsplit('|').next());
    let quoted = last.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    quoted.map(str::to_owned).collect()
}

fn sources(dir: &Path, all: &mut String) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_line_of_defence_is_held_by_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let mut all = String::new();
    for dir in ["agents", "evals", "orchestrator", "policies"] {
        sources(&root().join(dir), &mut all);
    }
    let named = tests_named(&page);
    assert!(named.len() > 40, "{}", named.len());
    for test in named {
        assert!(
            all.contains(&format!("fn {test}(")),
            "there is no test `{test}`"
        );
    }
}
