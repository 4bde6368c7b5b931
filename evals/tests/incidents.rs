//! Every incident against the shipped agents, and what every agent must have.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[tokio::test(start_paused = true)]
async fn every_incident_is_judged_right() {
    let report = ostler_evals::run(&root().join("evals/incidents"))
        .await
        .unwrap();
    assert!(report.passed(), "\n{report}");
    assert!(
        report
            .verdicts
            .iter()
            .filter(|verdict| verdict.faulty)
            .count()
            >= 11
    );
    assert!(
        report
            .verdicts
            .iter()
            .filter(|verdict| !verdict.faulty)
            .count()
            >= 6
    );
}

#[tokio::test(start_paused = true)]
async fn every_agent_has_a_folder_a_policy_and_an_incident_it_solves() {
    let report = ostler_evals::run(&root().join("evals/incidents"))
        .await
        .unwrap();
    let folders = std::fs::read_dir(root().join("agents/src")).unwrap();
    let folders = folders
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir());
    let mut folders: Vec<String> = folders
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut names: Vec<&str> = ostler_agents::registry()
        .iter()
        .map(|agent| agent.name)
        .collect();
    names.sort_unstable();
    assert_eq!(
        folders, names,
        "folders in agents/src and lines of the registry"
    );
    for name in names {
        assert!(
            root()
                .join(format!("policies/bundle/{name}.cedar"))
                .is_file(),
            "no policy for `{name}`"
        );
        let solves = |verdict: &&ostler_evals::Verdict| {
            verdict.agent == name && verdict.faulty && verdict.wrong.is_empty()
        };
        assert!(
            report.verdicts.iter().any(|verdict| solves(&verdict)),
            "`{name}` solves no incident"
        );
    }
}
