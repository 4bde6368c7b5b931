//! Rules about signatures in the daemon's configuration: an unsigned image does not come in, what runs
//! is left alone, and a stricter rule is for the next start of what is here already.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise"
)]

mod common;
#[path = "../runtime/tests/common/registry.rs"]
mod server;
#[expect(dead_code, reason = "this file uses a part of it")]
#[path = "../runtime/tests/common/signer.rs"]
mod signer;

use std::time::Duration;

use common::{Daemon, can_run_containers};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ostler_runtime::image::{Content, LayoutFile, LayoutSpec, write_layout};
use server::Registry;
use signer::{Signer, digest_of, sign};

const SOON: Duration = Duration::from_secs(60);

/// Pushes a busybox that differs from others by its environment; its name.
fn push(registry: &Registry, version: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let program = LayoutFile {
        path: "/bin/busybox".to_owned(),
        content: Content::File("/bin/busybox".into()),
        mode: 0o755,
    };
    let image = LayoutSpec {
        files: vec![program],
        entrypoint: vec!["/bin/busybox".to_owned()],
        env: vec![format!("VERSION={version}")],
        ..LayoutSpec::default()
    };
    let layout = dir.path().join("layout");
    write_layout(&layout, "x", &image).unwrap();
    registry.push_layout(&layout, &format!("shop/web:{version}"), &[])
}

fn apply(daemon: &Daemon, image: &str) {
    let manifest = format!(
        "apiVersion: ostler.dev/v1
kind: Service
metadata: {{name: web}}
spec:
  image: {image}
  args: [sleep, '100000']
  replicas: {{min: 1, max: 1}}
  stop: {{grace: 500ms}}
  update: {{strategy: rolling, healthyDeadline: 5s, progressDeadline: 10s}}
"
    );
    let file = daemon.file("web.yaml", &manifest);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn config(registry: &Registry, key: &str) -> String {
    format!(
        "images:
  signatures:
    - images: {}/shop/*
      keys: [ {key} ]
    - images: '*'
      unsigned: refuse
",
        registry.address
    )
}

fn reload(daemon: &Daemon, config: &str) {
    daemon.file("config.yaml", config);
    kill(Pid::from_raw(daemon.pid()), Signal::SIGHUP).unwrap();
}

/// The process of the only instance.
fn pid(daemon: &Daemon) -> Option<i32> {
    let all = daemon.json(&["get", "instances", "web"]);
    let pids = all["instances"].as_array()?.iter();
    let mut pids = pids.filter_map(|one| one["pid"].as_i64());
    i32::try_from(pids.next()?).ok()
}

/// Waits until there is a version to go back to.
fn settled(daemon: &Daemon) {
    daemon.until("it settled", SOON, || {
        let all = daemon.json(&["get", "services", "web"]);
        let web = &all["services"][0];
        (web["settled"] == true && web["state"] == "healthy").then_some(())
    });
}

fn described(daemon: &Daemon, words: &str) {
    daemon.until(words, SOON, || {
        let shown = daemon.cli(&["describe", "service", "web"]);
        shown.contains(words).then_some(())
    });
}

#[test]
fn what_nobody_vouches_for_does_not_start_and_what_runs_is_left_alone() {
    if !can_run_containers() {
        return;
    }
    let Some(registry) = Registry::start("what_nobody_vouches_for_does_not_start", None) else {
        return;
    };
    let (ours, theirs) = (Signer::new("P-256"), Signer::new("P-256"));
    let good = push(&registry, "1");
    let digest = digest_of(&registry.address, "shop/web", "1");
    sign(&registry.address, "shop/web", &digest, &[(&ours, "P-256")]);
    let daemon = Daemon::start_written(false, |dir| {
        std::fs::write(dir.join("ours.pub"), &ours.pem).unwrap();
        std::fs::write(dir.join("theirs.pub"), &theirs.pem).unwrap();
        std::fs::write(dir.join("broken.pub"), "no key at all").unwrap();
        config(&registry, "ours.pub")
    });
    apply(&daemon, &good);
    settled(&daemon);
    let first = pid(&daemon).unwrap();

    // An unsigned version does not come in, in words, and the one that runs goes on.
    apply(&daemon, &push(&registry, "2"));
    described(&daemon, "is not signed; sign it with `cosign sign");
    daemon.until("it went back", SOON, || {
        let status = daemon.json(&["rollout", "status", "web"]);
        (status["generation"] == 3 && status["under_way"] == false).then_some(())
    });
    daemon.until_state("web", "healthy", SOON);
    assert_eq!(pid(&daemon), Some(first));

    // Rules that make no sense leave the old ones, loudly.
    reload(&daemon, &config(&registry, "broken.pub"));
    let told = daemon.until("the problem is told", SOON, || {
        let problems = daemon.json(&["status"])["problems"].to_string();
        problems.contains("not taken over").then_some(problems)
    });
    assert!(
        told.contains("broken.pub") && told.contains("rule 1"),
        "{told}"
    );
    apply(&daemon, "docker.io/library/busybox:1");
    described(&daemon, "the rule for `*` refuses it");
    apply(&daemon, &good);
    daemon.until_state("web", "healthy", SOON);
    let second = pid(&daemon).unwrap();

    // A stricter rule stops nothing that runs, and nothing that it refuses starts again.
    reload(&daemon, &config(&registry, "theirs.pub"));
    daemon.until("the configuration is in force", SOON, || {
        (daemon.json(&["status"])["problems"] == serde_json::json!([])).then_some(())
    });
    assert_eq!(pid(&daemon), Some(second));
    kill(Pid::from_raw(second), Signal::SIGKILL).unwrap();
    described(&daemon, "none by a key of the rule");
    assert_eq!(pid(&daemon), None);

    // What was verified needs no registry.
    drop(registry);
    let file = std::fs::read_to_string(daemon.path("config.yaml")).unwrap();
    reload(&daemon, &file.replace("theirs.pub", "ours.pub"));
    daemon.until_state("web", "healthy", SOON);
}
