//! New versions of real containers, by every strategy: the good ones come in, the bad one is gone at its
//! first step, people hold, promote and leave, and a daemon that is killed in any stage goes on.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{Daemon, can_run_containers, fleet::processes, import_busybox};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(90);

const CANARY: &str =
    "{canary: {steps: [{share: 25%, bake: 2s, pause: true}, {share: 50%, bake: 2s}]}}";
const BLUE_GREEN: &str = "{blueGreen: {promote: manual, bake: 2s, keepOld: 8s}}";

/// A web of some version; one that is deaf never listens where it is asked.
fn web(version: &str, strategy: &str) -> String {
    let port = if version == "deaf" { 8081 } else { 8080 };
    format!(
        "apiVersion: ostler.dev/v1
kind: Service
metadata: {{name: web}}
spec:
  image: busybox:test
  args: [httpd, -f, -p, '{port}', -h, /www]
  env: {{VERSION: {version}}}
  ports: [{{name: http, port: 8080}}]
  replicas: {{min: 4, max: 4}}
  probes: {{readiness: {{tcp: {{port: 8080}}, period: 500ms}}}}
  stop: {{grace: 500ms}}
  update: {{strategy: {strategy}, maxSurge: 2, healthyDeadline: 12s, progressDeadline: 25s}}
"
    )
}

fn apply(daemon: &Daemon, manifest: &str) {
    let file = daemon.file("web.yaml", manifest);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn started(strategy: &str) -> Daemon {
    let daemon = Daemon::start(false);
    import_busybox(&daemon);
    apply(&daemon, &web("one", strategy));
    settled(&daemon);
    daemon
}

fn rollout(daemon: &Daemon) -> Value {
    daemon.json(&["rollout", "status", "web"])
}

fn settled(daemon: &Daemon) {
    daemon.until("it settled", SOON, || {
        let all = daemon.json(&["get", "services"]);
        let web = &all["services"][0];
        (web["settled"] == true && web["state"] == "healthy").then_some(())
    });
}

/// Waits until the rollout stands so, such as `canary step 1 of 2, baking`.
fn stands(daemon: &Daemon, words: &str) {
    daemon.until(words, SOON, || {
        (rollout(daemon)["stands"] == words).then_some(())
    });
}

fn generation(daemon: &Daemon) -> u64 {
    rollout(daemon)["generation"].as_u64().unwrap()
}

/// How many instances of each generation take traffic.
fn rotation(daemon: &Daemon) -> BTreeMap<u64, usize> {
    let mut by_generation = BTreeMap::new();
    for version in rollout(daemon)["traffic"].as_array().unwrap() {
        let instances = version["instances"].as_array().unwrap().len();
        by_generation.insert(version["generation"].as_u64().unwrap(), instances);
    }
    by_generation
}

/// Kills the daemon without warning and starts the next one; what ran runs on.
fn kill_and_go_on(daemon: &mut Daemon) {
    let before = processes(daemon);
    daemon.kill();
    daemon.run();
    let after = processes(daemon);
    let lost: Vec<_> = before
        .iter()
        .filter(|(name, pid)| after.get(*name).is_some_and(|now| now != *pid))
        .collect();
    assert!(lost.is_empty(), "restarted: {lost:?}");
}

#[test]
fn a_good_canary_waits_for_a_yes_and_comes_in_whoever_dies() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = started(CANARY);
    apply(&daemon, &web("two", CANARY));
    kill_and_go_on(&mut daemon);
    stands(&daemon, "canary step 1 of 2, baking");
    daemon.until("one in four", SOON, || {
        (rotation(&daemon) == BTreeMap::from([(1, 3), (2, 1)])).then_some(())
    });
    kill_and_go_on(&mut daemon);
    assert_eq!(rollout(&daemon)["stands"], "canary step 1 of 2, baking");
    let shown = daemon.cli(&["describe", "service", "web"]);
    assert!(
        shown.contains("Rollout:") && shown.contains("canary step 1 of 2"),
        "{shown}"
    );

    daemon.cli(&["rollout", "pause", "web"]);
    kill_and_go_on(&mut daemon);
    assert_eq!(
        rollout(&daemon)["stands"],
        "canary step 1 of 2, baking, paused"
    );
    daemon.cli(&["rollout", "resume", "web"]);
    daemon.cli(&["rollout", "promote", "web"]);
    let next = rollout(&daemon)["stands"].as_str().unwrap().to_owned();
    assert!(next.starts_with("canary step 2 of 2"), "{next}");
    kill_and_go_on(&mut daemon);
    settled(&daemon);
    assert_eq!(rotation(&daemon), BTreeMap::from([(2, 4)]));
    let told = daemon.cli(&["changes", "web"]);
    for words in [
        "canary step 1, baking",
        "promote the rollout of default/web",
        "hold the rollout",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    daemon.cli(&["audit", "verify"]);
}

#[test]
fn a_version_that_never_gets_ready_is_gone_at_its_first_step() {
    if !can_run_containers() {
        return;
    }
    let daemon = started(CANARY);
    let before = processes(&daemon);
    apply(&daemon, &web("deaf", CANARY));
    daemon.until("it went back", SOON, || {
        let info = rollout(&daemon);
        assert!(
            !info["stands"].as_str().unwrap().contains("step 2"),
            "{info}"
        );
        assert!(
            rotation(&daemon).keys().all(|version| *version != 2),
            "{info}"
        );
        (info["generation"] == 3).then_some(())
    });
    settled(&daemon);
    assert_eq!(processes(&daemon), before, "the same processes all along");
}

#[test]
fn who_leaves_a_canary_is_where_they_were() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = started(CANARY);
    apply(&daemon, &web("two", CANARY));
    stands(&daemon, "canary step 1 of 2, baking");
    daemon.cli(&["rollout", "abort", "web"]);
    assert_eq!(rollout(&daemon)["under_way"], false);
    kill_and_go_on(&mut daemon);
    settled(&daemon);
    let log = daemon.try_cli(&["rollout", "abort", "web"]);
    assert!(!log.status.success());
    assert!(String::from_utf8_lossy(&log.stderr).contains("rolls nothing out now"));
    assert_eq!(processes(&daemon).len(), 4);
}

#[test]
fn a_preview_has_no_traffic_until_it_is_promoted_whoever_dies() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = started(BLUE_GREEN);
    apply(&daemon, &web("two", BLUE_GREEN));
    kill_and_go_on(&mut daemon);
    stands(&daemon, "preview, baking");
    kill_and_go_on(&mut daemon);
    daemon.until("the old one has the traffic", SOON, || {
        (rotation(&daemon) == BTreeMap::from([(1, 4)])).then_some(())
    });
    assert_eq!(processes(&daemon).len(), 8);
    daemon.cli(&["rollout", "promote", "web"]);
    kill_and_go_on(&mut daemon);
    daemon.until("the new one has the traffic", SOON, || {
        (rotation(&daemon) == BTreeMap::from([(2, 4)])).then_some(())
    });
    settled(&daemon);
    assert_eq!((processes(&daemon).len(), generation(&daemon)), (4, 2));
}

#[test]
fn rolling_and_recreate_go_on_after_a_kill() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = started("rolling");
    apply(&daemon, &web("two", "rolling"));
    kill_and_go_on(&mut daemon);
    settled(&daemon);
    apply(&daemon, &web("three", "recreate"));
    kill_and_go_on(&mut daemon);
    settled(&daemon);
    assert_eq!(rotation(&daemon), BTreeMap::from([(3, 4)]));
    apply(&daemon, &web("deaf", "recreate"));
    daemon.until("it went back", SOON, || {
        (generation(&daemon) == 5).then_some(())
    });
    settled(&daemon);
    assert_eq!(rotation(&daemon).values().sum::<usize>(), 4);
}
