//! The daemon is killed once in every state of every strategy: each good version comes in, each bad one
//! goes back, and nothing that ran is started anew by that.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Daemon, can_run_containers, fleet::processes, import_busybox};

const SOON: Duration = Duration::from_secs(60);

// States that would end by a clock end by a yes of the test: however slow the machine is, they are seen.
const CANARY: &str =
    "{canary: {steps: [{share: 30%, bake: 1s, pause: true}, {share: 60%, bake: 1s, pause: true}]}}";
const BLUE_GREEN: &str = "{blueGreen: {promote: manual, bake: 1s, keepOld: 5s}}";

/// Every state of each strategy, in its order, and those that may follow.
const STATES: [(&str, &[&str]); 4] = [
    (
        CANARY,
        &[
            "canary step 1 of 2",
            "canary step 1 of 2, baking",
            "canary step 1 of 2, baking, paused",
            "canary step 2 of 2",
            "canary step 2 of 2, baking",
            "rolling",
        ],
    ),
    (
        BLUE_GREEN,
        &["preview", "preview, baking", "promoted, the old one kept"],
    ),
    ("rolling", &["rolling"]),
    ("recreate", &["recreating"]),
];

/// A web that takes a moment to begin; one that is deaf never listens where it is asked.
fn web(version: u32, deaf: bool, strategy: &str) -> String {
    let port = if deaf { 8081 } else { 8080 };
    format!(
        "apiVersion: ostler.dev/v1
kind: Service
metadata: {{name: web}}
spec:
  image: busybox:test
  args: [sh, -c, 'sleep 2; exec busybox httpd -f -p {port} -h /www']
  env: {{VERSION: '{version}'}}
  ports: [{{name: http, port: 8080}}]
  replicas: {{min: 3, max: 3}}
  probes: {{readiness: {{tcp: {{port: 8080}}, period: 200ms}}}}
  stop: {{grace: 200ms}}
  update: {{strategy: {strategy}, maxSurge: 1, healthyDeadline: 8s, progressDeadline: 40s}}
"
    )
}

fn apply(daemon: &Daemon, version: u32, deaf: bool, strategy: &str) {
    let file = daemon.file("web.yaml", &web(version, deaf, strategy));
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn stands(daemon: &Daemon) -> String {
    let rollout = daemon.json(&["rollout", "status", "web"]);
    rollout["stands"].as_str().unwrap().to_owned()
}

/// SIGKILL as soon as the rollout stands so; the next daemon is not behind that.
fn die_at(daemon: &mut Daemon, state: &str, states: &[&str]) {
    daemon.until(state, SOON, || {
        let now = stands(daemon);
        assert_ne!(now, "settled", "`{state}` was never seen");
        (now == state).then_some(())
    });
    let before = processes(daemon);
    daemon.kill();
    daemon.run();
    let now = stands(daemon);
    let place = |state: &str| states.iter().position(|known| *known == state);
    let last = states.last() == Some(&state);
    let going = now == "settled" || now.starts_with("going back") || (last && now == "rolling");
    assert!(
        going || place(&now) >= place(state),
        "from `{state}` to `{now}`"
    );
    let after = processes(daemon);
    let lost = before
        .iter()
        .filter(|(name, pid)| after.get(*name).is_some_and(|now| now != *pid));
    assert_eq!(lost.count(), 0, "{state}: {before:?}, then {after:?}");
}

/// Waits until everything stands still at this version.
fn settled(daemon: &Daemon, generation: u32) {
    daemon.until(&format!("generation {generation} settled"), SOON, || {
        let all = daemon.json(&["get", "services"]);
        let web = &all["services"][0];
        let rollout = daemon.json(&["rollout", "status", "web"]);
        let still = web["settled"] == true && web["state"] == "healthy";
        (still && rollout["generation"] == generation && processes(daemon).len() == 3).then_some(())
    });
}

/// A good version and then a bad one by one strategy, killed in each state; how often it was killed.
fn walk(strategy: &str, states: &[&str]) -> usize {
    let mut daemon = Daemon::start(false);
    import_busybox(&daemon);
    apply(&daemon, 1, false, strategy);
    settled(&daemon, 1);
    apply(&daemon, 2, false, strategy);
    for (number, state) in states.iter().enumerate() {
        let paused = state.ends_with("paused");
        if paused {
            daemon.cli(&["rollout", "pause", "web"]);
        }
        die_at(&mut daemon, state, states);
        if paused {
            daemon.cli(&["rollout", "resume", "web"]);
        }
        // What bakes waits for a yes, unless somebody is to hold it first.
        let held_next = states
            .get(number + 1)
            .is_some_and(|next| next.ends_with("paused"));
        if state.contains("baking") && !held_next {
            daemon.until("it may go on", SOON, || {
                let said = daemon.try_cli(&["rollout", "promote", "web"]);
                said.status.success().then_some(())
            });
        }
    }
    settled(&daemon, 2);

    // A bad one, killed while it is waited for: what was good is back as a generation of its own.
    apply(&daemon, 3, true, strategy);
    die_at(&mut daemon, states[0], states);
    settled(&daemon, 4);
    daemon.cli(&["audit", "verify"]);
    states.len() + 1
}

#[test]
fn a_daemon_killed_in_every_state_of_every_strategy_goes_on_or_back() {
    if !can_run_containers() {
        return;
    }
    let began = Instant::now();
    // A daemon for each strategy, side by side: most of this is waiting.
    let killed: Vec<usize> = std::thread::scope(|scope| {
        let walks = STATES.map(|(strategy, states)| scope.spawn(move || walk(strategy, states)));
        walks.map(|walk| walk.join().unwrap()).to_vec()
    });
    eprintln!("killed {killed:?} times in {:?}", began.elapsed());
    assert_eq!(killed, [7, 4, 2, 2]);
}
