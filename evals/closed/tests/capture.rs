//! What was captured of every incident of the closed suite is replayed to the same diagnosis.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;

use ostler_evals::{bundle::Truth, capture, judge, replay};
use ostler_evals_closed::{
    CaseError,
    mechanism::{self, Case},
    play::{Hand, play},
    suite,
};
use ostler_tools::answer::IncidentExport;

/// A mechanism of each kind; `OSTLER_ALL` plays all there are, which takes minutes.
const USUAL: [&str; 12] = [
    "bad-flag/plain",
    "config-removed/plain",
    "deadlock-in-one/plain",
    "image-missing/plain",
    "leak-in-all/plain",
    "leak-in-one/plain",
    "leak-on-a-full-machine/plain",
    "memory-limit-lowered/plain",
    "probe-port/plain",
    "registry-away/plain",
    "slow-replica/plain",
    "two-at-once/plain",
];
/// Cases with an incident that is not replayed to the same: may only get fewer.
const OTHERWISE: [&str; 1] = ["node-short-of-memory/cpu"];

/// How each incident of a case was replayed: its name, and what came out otherwise.
async fn replayed(case: &Case) -> Result<Vec<(String, Vec<String>)>, CaseError> {
    let ended = play(case, Hand::Agent("healer"), 1).await?;
    let mut all = Vec::new();
    for export in ended.exports {
        let export: IncidentExport = serde_json::from_value(export).unwrap();
        let bundle = capture::bundle(&export).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("captured");
        ostler_evals::bundle::write(&to, &bundle).unwrap();
        let read = ostler_evals::bundle::read(&to).unwrap();
        if !matches!(read.truth, Truth::Faulty { .. }) {
            continue;
        }
        let seen = replay::replay(&read, None).await.unwrap();
        let verdict = judge::judge(&read, &seen);
        all.push((format!("{} {}", case.name, bundle.about), verdict.wrong));
    }
    Ok(all)
}

#[test]
fn what_was_captured_replays_to_the_same_diagnosis() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faults");
    let mut cases = mechanism::read_all(&folder).unwrap();
    if std::env::var_os("OSTLER_ALL").is_none() {
        cases.retain(|case| USUAL.contains(&case.name.as_str()));
        assert_eq!(cases.len(), USUAL.len(), "they are there");
    }
    if let Ok(only) = std::env::var("OSTLER_CASES") {
        cases.retain(|case| case.name.contains(&only));
    }
    let all = suite::each(&cases, 2, replayed, |_| ()).unwrap();
    let all: Vec<_> = all.into_iter().flatten().collect();
    let wrong: Vec<_> = all.iter().filter(|(_, wrong)| !wrong.is_empty()).collect();
    for (case, wrong) in &wrong {
        eprintln!("OTHERWISE  {case}: {}", wrong.join("; "));
    }
    eprintln!("{} of {} the same", all.len() - wrong.len(), all.len());
    let unknown = |(case, _): &&&(String, Vec<String>)| {
        !OTHERWISE.iter().any(|known| case.starts_with(known))
    };
    assert_eq!(wrong.iter().filter(unknown).count(), 0);
    assert!(!all.is_empty(), "incidents were captured");
}
