//! The built binary with real containers: what an operator sees when things go well and when they break.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{process::Command, time::Duration};

use common::{
    Daemon, alive, can_run_containers, free_port, get, hello, import_busybox, import_shop,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

fn apply(daemon: &Daemon, name: &str, manifest: &str) {
    let file = daemon.file(name, manifest);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn instances(daemon: &Daemon, service: &str) -> Vec<Value> {
    let all = daemon.json(&["get", "instances"]);
    let ours = all["instances"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["service"] == format!("default/{service}"));
    ours.cloned().collect()
}

fn kill_9(pid: i64) {
    assert!(
        Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_crash_is_settled_by_rules_alone() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(true);
    import_busybox(&daemon);
    apply(&daemon, "hello.yaml", &hello("hello", 1, 3, ""));
    daemon.until_state("hello", "healthy", SOON);
    let before = instances(&daemon, "hello").remove(0);
    kill_9(before["pid"].as_i64().unwrap());
    let after = daemon.until("it runs again", SOON, || {
        let now = instances(&daemon, "hello").remove(0);
        (now["attempt"] == 2 && now["phase"]["phase"] == "running").then_some(now)
    });
    assert_eq!(after["instance"], before["instance"]);
    assert_eq!(after["address"], before["address"]);
    let events = daemon.json(&["events"]);
    let exited = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .find(|event| event["what"]["kind"] == "exited")
        .unwrap();
    assert_eq!(exited["what"]["exit"]["signal"], 9);
    assert_eq!(exited["what"]["words"], "SIGKILL");
    daemon.until_state("hello", "healthy", SOON);
    assert_eq!(
        daemon.json(&["incidents"])["incidents"],
        serde_json::json!([]),
        "no agent was involved"
    );
}

#[test]
fn a_bad_change_is_found_approved_healed_and_proved() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = Daemon::start(true);
    import_busybox(&daemon);
    apply(&daemon, "good.yaml", &hello("hello", 1, 3, ""));
    daemon.until_state("hello", "healthy", SOON);
    daemon.until("it settled", SOON, || {
        (daemon.json(&["get", "services"])["services"][0]["settled"] == true).then_some(())
    });
    let bad = hello("hello", 1, 3, "").replace("httpd, -f", "httpd, --no-such-option, -f");
    apply(&daemon, "bad.yaml", &bad);
    let incident = daemon.until("the cause is named", Duration::from_secs(60), || {
        let incidents = daemon.json(&["incidents"]);
        incidents["incidents"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["cause"] == "bad_change")
            .cloned()
    });
    let proposal = daemon.until("a proposal waits", Duration::from_secs(60), || {
        let proposals = daemon.json(&["proposals"]);
        proposals["proposals"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["state"] == "waiting")
            .cloned()
    });
    let service = daemon.json(&["get", "services"])["services"][0].clone();
    assert_eq!(
        service["generation"], 2,
        "nothing changed before the approval: {service}"
    );
    daemon.cli(&["approve", proposal["id"].as_str().unwrap()]);
    daemon.until("it is verified and closed", Duration::from_secs(90), || {
        let now = daemon.json(&["incidents"]);
        let ours = now["incidents"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["id"] == incident["id"])
            .cloned()?;
        (ours["state"] == "resolved").then_some(())
    });
    daemon.until_state("hello", "healthy", SOON);
    daemon.cli(&["audit", "verify"]);
    tampering_is_found(&mut daemon);
}

/// Flips one byte of one leaf in the stopped daemon's database.
fn tampering_is_found(daemon: &mut Daemon) {
    daemon.kill();
    let database = daemon.state().join("ostler.db");
    let flip = "UPDATE audit_leaves SET body = CAST(substr(CAST(body AS TEXT), 1, length(CAST(body AS TEXT)) - 3) || 'x' \
                || substr(CAST(body AS TEXT), length(CAST(body AS TEXT)) - 1) AS BLOB) WHERE position = 3;";
    let output = Command::new("sqlite3")
        .arg(&database)
        .arg(flip)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    daemon.run();
    let verify = daemon.try_cli(&["audit", "verify"]);
    let words = String::from_utf8_lossy(&verify.stdout).into_owned()
        + &String::from_utf8_lossy(&verify.stderr);
    assert!(!verify.status.success(), "{words}");
    assert!(words.contains("leaf 3"), "{words}");
}

#[test]
fn a_restarted_daemon_adopts_what_runs() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = Daemon::start(false);
    import_busybox(&daemon);
    apply(&daemon, "hello.yaml", &hello("hello", 2, 3, ""));
    daemon.until_state("hello", "healthy", SOON);
    let pids = |daemon: &Daemon| {
        let mut pids: Vec<i64> = instances(daemon, "hello")
            .iter()
            .map(|one| one["pid"].as_i64().unwrap())
            .collect();
        pids.sort_unstable();
        pids
    };
    let before = pids(&daemon);
    daemon.kill();
    assert!(before.iter().all(|pid| alive(i32::try_from(*pid).unwrap())));
    kill_9(before[0]);
    daemon.run();
    daemon.until("the one that died meanwhile runs again", SOON, || {
        let all = instances(&daemon, "hello");
        (all.len() == 2
            && all
                .iter()
                .any(|one| one["attempt"] == 2 && one["phase"]["phase"] == "running"))
        .then_some(())
    });
    assert!(
        pids(&daemon).contains(&before[1]),
        "the other is the same process"
    );
}

#[test]
fn the_shop_works_by_name_and_by_port() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    import_shop(&daemon);
    let port = free_port();
    apply(&daemon, "shop.yaml", &ostler::demo::manifests(port));
    for service in ["store", "catalog", "cart", "frontend"] {
        daemon.until_state(service, "healthy", Duration::from_secs(60));
    }
    daemon.until("the published port answers through all four", SOON, || {
        let answer = get(port, "/").unwrap_or_default();
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
}

#[test]
fn bad_input_changes_nothing_and_says_what_to_do() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    let cases = [
        ("kind: Service\n  broken", "line"),
        (&hello("hello", 1, 3, "  colour: blue\n"), "colour"),
        (&hello("hello", 5, 3, ""), "replicas"),
        (&hello("Hello", 1, 3, ""), "service name"),
        (
            &hello("hello", 1, 3, "  needs: [{service: nobody}]\n"),
            "nobody",
        ),
    ];
    for (manifest, word) in cases {
        let file = daemon.file("bad.yaml", manifest);
        let output = daemon.try_cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{manifest}");
        assert!(words.contains(word), "`{word}` is not in: {words}");
    }
    assert_eq!(
        daemon.json(&["get", "services"])["services"],
        serde_json::json!([])
    );
    let unreachable = Command::new(env!("CARGO_BIN_EXE_ostler"))
        .args(["status", "--socket", "/nonexistent/ostler.sock"])
        .output()
        .unwrap();
    assert_eq!(unreachable.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&unreachable.stderr).contains("ostler up"));
}

#[test]
fn secrets_arrive_as_files_and_are_shown_nowhere() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    import_busybox(&daemon);
    let secret = "correct-horse-battery-staple";
    daemon.cli_with_input(&["secret", "put", "password"], secret);
    apply(
        &daemon,
        "hello.yaml",
        &hello("hello", 1, 3, "  secrets: [{secret: password}]\n"),
    );
    daemon.until_state("hello", "healthy", SOON);
    let instance = instances(&daemon, "hello")[0]["instance"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = daemon.cli(&[
        "exec",
        &instance,
        "--",
        "/bin/busybox",
        "cat",
        "/run/secrets/password",
    ]);
    assert_eq!(read.trim(), secret);
    let exported = daemon.cli(&["audit", "list", "--output", "json"]);
    assert!(!exported.contains(secret));
    assert!(!daemon.log().contains(secret));
    let found = Command::new("grep")
        .args(["-rlF", secret])
        .arg(daemon.state())
        .output()
        .unwrap();
    let files = String::from_utf8_lossy(&found.stdout);
    assert!(
        files.lines().all(|file| file.contains("/secrets/")),
        "on a disk in the clear: {files}"
    );
    eprintln!("only on memory-backed storage: {}", files.trim());
}
