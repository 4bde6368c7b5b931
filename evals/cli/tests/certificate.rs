//! From a run of the built program to a certificate that the gate believes.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::{fs, os::unix::fs::PermissionsExt as _, process::Output};

use common::eval;
use ostler_core::autonomy::Certificate;
use ostler_gate::note::Verifier;

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_is_signed_for_exactly_the_agent_that_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, note) = (path("eval.key"), path("certificate"));
    let made = eval(&["key", &key, "--name", "night-shift"]);
    assert!(made.status.success(), "{}", words(&made));
    let public = String::from_utf8(made.stdout).unwrap();
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let again = eval(&["key", &key, "--name", "night-shift"]);
    assert!(!again.status.success() && words(&again).contains("never written over"));

    let run = [
        "run",
        "--suite",
        "incidents",
        "--split",
        "dev",
        "--certify",
        &note,
        "--key",
        &key,
    ];
    let done = eval(&run);
    assert!(done.status.success(), "{}", words(&done));
    let text = Verifier::parse(&public)
        .unwrap()
        .open(&fs::read_to_string(&note).unwrap())
        .unwrap();
    let json = text.strip_prefix("ostler.dev/certificate\n").unwrap();
    let certificate: Certificate = serde_json::from_str(json).unwrap();
    assert_eq!(certificate.suite, "incidents, development half");
    assert_eq!(certificate.make.build, ostler_agents::make::BUILD);
    assert!(certificate.scores.cases >= 5, "{:?}", certificate.scores);
    assert!(
        certificate.scores.passed < 1_000,
        "a lower bound is never all"
    );
    assert!(certificate.expires_at > certificate.issued_at);

    let one = concat!(env!("CARGO_MANIFEST_DIR"), "/../incidents/memory-leak");
    for part in [["--only", "leak"], ["--bundle", one]] {
        let part = eval(&["run", part[0], part[1], "--certify", &note, "--key", &key]);
        let words = words(&part);
        assert!(words.contains("cannot be used with"), "{words}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = eval(&run);
    assert!(words(&open).contains("chmod 600"), "{}", words(&open));
}
