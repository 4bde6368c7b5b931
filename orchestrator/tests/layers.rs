//! Holds the table of allowed edges between our crates: who may know whom.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// Allowed edges, dependencies of tests not counted. What is not here is forbidden.
const ALLOWED: [(&str, &[&str]); 29] = [
    ("ostler-core", &[]),
    (
        "ostler-console",
        &["ostler-core", "ostler-gate", "ostler-tools"],
    ),
    ("ostler-policies", &["ostler-core"]),
    ("ostler-prove", &["ostler-policies"]),
    (
        "ostler-tools",
        &["ostler-core", "ostler-diagnosis", "ostler-upgrades"],
    ),
    ("ostler-runtime", &["ostler-core"]),
    ("ostler-shim", &[]),
    ("ostler-signals", &["ostler-core"]),
    (
        "ostler-gate",
        &[
            "ostler-core",
            "ostler-policies",
            "ostler-redact",
            "ostler-tools",
        ],
    ),
    (
        "ostler-store",
        &["ostler-core", "ostler-gate", "ostler-tools"],
    ),
    ("ostler-agents-kit", &["ostler-core", "ostler-tools"]),
    ("ostler-capacity", &["ostler-core"]),
    ("ostler-upgrades", &["ostler-core"]),
    ("ostler-agents-llm", &["ostler-agents-kit", "ostler-core"]),
    (
        "ostler-agents",
        &[
            "ostler-agents-kit",
            "ostler-agents-llm",
            "ostler-capacity",
            "ostler-core",
            "ostler-tools",
            "ostler-upgrades",
        ],
    ),
    ("ostler-broker", &["ostler-redact"]),
    (
        "ostler-planning",
        &["ostler-agents-llm", "ostler-broker", "ostler-core"],
    ),
    ("ostler-proxy", &["ostler-core"]),
    ("ostler-redact", &[]),
    (
        "ostler-fuzz",
        &[
            "ostler-agents-kit",
            "ostler-agents-llm",
            "ostler-core",
            "ostler-gate",
            "ostler-policies",
            "ostler-redact",
            "ostler-runtime",
            "ostler-signals",
            "ostler-tools",
        ],
    ),
    ("ostler-fake-llm", &[]),
    ("ostler-diagnosis", &[]),
    ("ostler-evals-import", &["ostler-diagnosis"]),
    (
        "ostler-eval",
        &[
            "ostler-agents",
            "ostler-agents-llm",
            "ostler-broker",
            "ostler-core",
            "ostler-diagnosis",
            "ostler-evals",
            "ostler-evals-closed",
            "ostler-evals-import",
            "ostler-gate",
            "ostler-planning",
            "ostler-tools",
        ],
    ),
    (
        "ostler-evals-closed",
        &[
            "ostler-agents",
            "ostler-agents-kit",
            "ostler-core",
            "ostler-evals",
            "ostler-gate",
            "ostler-policies",
            "ostler-signals",
            "ostler-tools",
        ],
    ),
    (
        "ostler-evals",
        &[
            "ostler-agents",
            "ostler-agents-kit",
            "ostler-agents-llm",
            "ostler-core",
            "ostler-tools",
        ],
    ),
    ("ostler-scaling", &["ostler-capacity", "ostler-core"]),
    ("ostler-shop", &[]),
    (
        "ostler",
        &[
            "ostler-agents",
            "ostler-agents-kit",
            "ostler-agents-llm",
            "ostler-broker",
            "ostler-console",
            "ostler-core",
            "ostler-evals",
            "ostler-gate",
            "ostler-planning",
            "ostler-policies",
            "ostler-proxy",
            "ostler-prove",
            "ostler-runtime",
            "ostler-signals",
            "ostler-store",
            "ostler-tools",
            "ostler-upgrades",
        ],
    ),
];

fn edges() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: Vec<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let edges_of = |package: &Value| {
        let normal = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|edge| edge["kind"].is_null());
        let names = normal.map(|edge| edge["name"].as_str().unwrap().to_owned());
        names
            .filter(|name| ours.contains(&name.as_str()))
            .collect::<Vec<_>>()
    };
    packages
        .iter()
        .map(|package| {
            (
                package["name"].as_str().unwrap().to_owned(),
                edges_of(package),
            )
        })
        .collect()
}

#[test]
fn nobody_knows_more_than_allowed() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let edges = edges();
    assert_eq!(
        edges.keys().map(String::as_str).collect::<Vec<_>>(),
        allowed.keys().copied().collect::<Vec<_>>()
    );
    for (from, tos) in edges {
        for to in tos {
            assert!(
                allowed[from.as_str()].contains(&to.as_str()),
                "`{from}` must not depend on `{to}`"
            );
        }
    }
}

#[test]
fn the_core_knows_no_clock_no_chance_no_world() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/core/src");
    let forbidden = [
        "SystemTime",
        "Instant::now",
        "std::fs",
        "std::net::Tcp",
        "std::process",
        "std::env",
        "async fn",
        "rand::",
        "tokio",
    ];
    let mut files = Vec::new();
    collect(root.as_ref(), &mut files);
    assert!(
        files.len() > 20,
        "the core's sources are where this test looks"
    );
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in forbidden {
            let used = text
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(word));
            assert!(!used, "{} uses `{word}`", file.display());
        }
    }
}

fn collect(folder: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
