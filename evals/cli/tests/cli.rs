//! The program from outside: reports, exit codes, going on with a run that was broken off.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{fs, path::Path, process::Output};

use common::eval;
use ostler_evals_closed::{
    mechanism,
    play::{Hand, play},
};
use serde_json::Value;

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_run_is_reported_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, junit, html) = (path("r.json"), path("r.xml"), path("r.html"));
    let args = [
        "run",
        "--suite",
        "faults",
        "--only",
        "quiet-day",
        "--json",
        &json,
    ];
    let output = eval(&[&args[..], &["--junit", &junit, "--html", &html]].concat());
    assert!(output.status.success(), "{}", printed(&output));
    assert!(
        printed(&output).contains("0 of 2, 0 %"),
        "{}",
        printed(&output)
    );
    assert!(
        fs::read_to_string(&junit)
            .unwrap()
            .contains("tests=\"2\" failures=\"0\"")
    );
    assert!(
        fs::read_to_string(&html)
            .unwrap()
            .contains("quiet-day/plain")
    );
    let mut report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["rows"].as_array().unwrap().len(), 2);

    // What is there is not run again: a row that was tampered with stays.
    let broken_off = fs::read_to_string(&json)
        .unwrap()
        .replace("\"healthy\"", "\"healthy \"");
    fs::write(&json, broken_off).unwrap();
    assert!(eval(&args).status.success());
    assert!(fs::read_to_string(&json).unwrap().contains("\"healthy \""));

    // Another run's report is not written over.
    let other = eval(&[&args[..], &["--seed", "7"]].concat());
    assert_eq!(other.status.code(), Some(2));
    assert!(
        printed(&other).contains("another run"),
        "{}",
        printed(&other)
    );

    report["rows"][0]["wrong"] = serde_json::json!(["it burned down"]);
    let worse = path("worse.json");
    fs::write(&worse, report.to_string()).unwrap();
    let compared = eval(&["compare", &json, &worse]);
    assert_eq!(compared.status.code(), Some(1));
    assert!(
        printed(&compared).contains("1 worse, 0 better"),
        "{}",
        printed(&compared)
    );
    let said = printed(&compared);
    assert!(
        said.contains("2 of 2, 100 % (95 %: 34–100) -> 1 of 2, 50 %"),
        "{said}"
    );
    let compared = eval(&["compare", &worse, &json]);
    assert_eq!(compared.status.code(), Some(0));
    let held = eval(&[&args[..], &["--baseline", &worse]].concat());
    assert!(
        held.status.success() && printed(&held).contains("1 better"),
        "{}",
        printed(&held)
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    assert!(eval(&["lint"]).status.success());
    let nothing = eval(&["run", "--only", "no such case"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(printed(&nothing).contains("no case fits"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    fs::write(&file, "{}").unwrap();
    let file = file.display().to_string();
    let compared = eval(&["compare", &file, &file]);
    assert!(
        printed(&compared).contains("is not a report"),
        "{}",
        printed(&compared)
    );
}

/// What `export_incident` answers of the first incident of a leak that is played.
fn export() -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faults/leak-in-one.yaml");
    let cases = mechanism::parse("leak", &fs::read_to_string(file).unwrap()).unwrap();
    let case = cases.iter().find(|case| case.name == "leak/plain").unwrap();
    let ended = runtime.block_on(play(case, Hand::Agent("healer"), 1));
    ended.unwrap().exports.remove(0)
}

#[test]
fn an_exported_incident_is_replayed_and_promoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, bundle, suite) = (path("export.json"), path("leak"), path("suite"));
    fs::write(&json, export().to_string()).unwrap();
    let made = eval(&["bundle", &bundle, "--from", &json]);
    assert!(made.status.success(), "{}", printed(&made));
    let again = eval(&["bundle", &bundle, "--from", &json]);
    assert_eq!(again.status.code(), Some(2), "nothing is written over");

    let ran = eval(&["run", "--bundle", &bundle]);
    assert!(ran.status.success(), "{}", printed(&ran));
    let said = printed(&ran);
    assert!(said.contains("judged by an agent's word alone"), "{said}");

    let promote = |name: &str, verdict: &str| {
        let args = [
            "promote",
            &bundle,
            "--into",
            &suite,
            "--by",
            "zoe",
            "--name",
            name,
            "--verdict",
            verdict,
        ];
        eval(&args)
    };
    let promoted = promote("cart-leaks", "as-believed");
    assert!(promoted.status.success(), "{}", printed(&promoted));
    assert_eq!(promote("cart-leaks", "healthy").status.code(), Some(2));
    let nonsense = promote("x", "cause=memory_leak,culprit=shop/nobody");
    assert!(
        printed(&nonsense).contains("there is no service"),
        "{}",
        printed(&nonsense)
    );
    let wrong = promote("cart-is-well", "healthy");
    assert!(wrong.status.success(), "{}", printed(&wrong));
    let written = fs::read_to_string(folder.path().join("suite/cart-leaks/incident.yaml")).unwrap();
    assert!(written.contains("judged_by: \"user:zoe\"") || written.contains("judged_by: user:zoe"));

    assert!(eval(&["lint", "--bundle", &suite]).status.success());
    let ran = eval(&["run", "--bundle", &suite]);
    assert_eq!(ran.status.code(), Some(1), "the false verdict fails");
    let said = printed(&ran);
    assert!(said.contains("FAIL  incidents cart-is-well"), "{said}");
    assert!(!said.contains("FAIL  incidents cart-leaks"), "{said}");
}
