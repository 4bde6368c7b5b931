//! Traffic through the proxy to real containers: shares by version, upgrades that cost no request, bad
//! versions that cost few, and what goes on whoever is killed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{
    Daemon, alive, can_run_containers, free_port, get, import_shop,
    load::{Load, ask, failed},
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(90);
/// One step that waits for a yes, whatever its traffic says.
const UNJUDGED: &str = "{canary: {steps: [{share: 25%, weight: 20%, bake: 1s, pause: true}]}}, analysis: {enabled: false}";
/// One step that its traffic decides.
const TENTH: &str = "{canary: {steps: [{share: 25%, weight: 10%, bake: 1s}]}}";
/// One step that nothing but harm ends. A machine that is busy makes slow requests of its own; few of them are
/// slower than the old version's slowest.
const LONG: &str =
    "{canary: {steps: [{share: 25%, weight: 25%, bake: 5m}]}}, analysis: {latency: {quantile: 99}}";
/// All the traffic at once, with the old version kept long enough to look.
const BOTH: &str = "{blueGreen: {promote: automatic, bake: 3s, keepOld: 60s}}";
/// The same, long enough for what takes time to go wrong.
const SLOW: &str = "{canary: {steps: [{share: 25%, weight: 10%, bake: 20s}]}}";

/// A shop's store of some version, with a fault.
fn web(port: u16, version: u32, fault: &str, strategy: &str) -> String {
    format!(
        "apiVersion: ostler.dev/v1
kind: Service
metadata: {{name: web}}
spec:
  image: shop:1
  args: [store]
  resources: {{limits: {{memory: 96Mi}}}}
  env: {{VERSION: '{version}', FAULT: '{fault}', DATA_DIR: /tmp/data}}
  ports: [{{name: http, port: 8080, publish: {port}, appProtocol: http}}]
  replicas: {{min: 4, max: 4}}
  probes: {{readiness: {{http: {{port: 8080, path: /readyz}}, period: 300ms}}}}
  configs: [{{path: /etc/shop/config.json, content: '{{\"name\": \"web\"}}'}}]
  update: {{strategy: {strategy}, maxSurge: 2, healthyDeadline: 15s, progressDeadline: 30s}}
"
    )
}

fn apply(daemon: &Daemon, manifest: &str) {
    let file = daemon.file("web.yaml", manifest);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn started(port: u16) -> Daemon {
    let daemon = Daemon::start(false);
    import_shop(&daemon);
    apply(&daemon, &web(port, 1, "none", "rolling"));
    settled(&daemon);
    until_proxied(&daemon, port);
    daemon
}

/// Waits until requests to the port are counted.
fn until_proxied(daemon: &Daemon, port: u16) {
    daemon.until("requests go through the proxy", SOON, || {
        drop(ask(port, &mut None));
        (counted(daemon, "requests", "current") > 0.0).then_some(())
    });
}

fn settled(daemon: &Daemon) {
    daemon.until("it settled", SOON, || {
        let all = daemon.json(&["get", "services"]);
        let web = &all["services"][0];
        (web["settled"] == true && web["state"] == "healthy").then_some(())
    });
}

fn rollout(daemon: &Daemon) -> Value {
    daemon.json(&["rollout", "status", "web"])
}

fn stands(daemon: &Daemon, words: &str) {
    daemon.until(words, SOON, || {
        (rollout(daemon)["stands"] == words).then_some(())
    });
}

/// A counter of the daemon's metrics, zero when it is not there.
fn counted(daemon: &Daemon, what: &str, version: &str) -> f64 {
    let text = get(daemon.port(), "/metrics").unwrap();
    let name =
        format!("ostler_proxy_{what}_total{{service=\"default/web\",version=\"{version}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0.0, |number| number.parse().unwrap())
}

/// The proxy's process, from its own log.
fn proxy(daemon: &Daemon) -> i32 {
    let log = std::fs::read_to_string(daemon.state().join("proxy/proxy.log")).unwrap();
    let line = log.lines().rfind(|line| line.contains("the proxy is up"));
    let pid = line.unwrap().split("pid=").nth(1).unwrap();
    pid.split(' ').next().unwrap().parse().unwrap()
}

/// Within five standard deviations of a binomial share: once in a million runs it is not.
fn about(count: usize, of: usize, share: f64) -> bool {
    let (count, of) = (count as f64, of as f64);
    (count - of * share).abs() <= 5.0 * (of * share * (1.0 - share)).sqrt()
}

#[test]
fn a_canary_gets_its_weight_whoever_is_killed_and_is_counted() {
    if !can_run_containers() {
        return;
    }
    let port = free_port();
    let mut daemon = started(port);
    // The new version fails always: what fails is its share.
    apply(&daemon, &web(port, 2, "errors:1", UNJUDGED));
    stands(&daemon, "canary step 1 of 1, baking");
    let load = Load::start(port, 4);
    load.go_on(3_000);
    let before = load.answers();
    let (all, bad) = failed(&before);
    assert!(about(bad, all, 0.2), "{before:?}");
    assert_eq!(before.keys().collect::<Vec<_>>(), ["200", "500"]);

    let first = proxy(&daemon);
    daemon.kill();
    load.go_on(1_500);
    assert!(alive(first), "it outlives the daemon");
    daemon.run();
    load.go_on(1_500);
    let all_counted = (load.sent(), counted(&daemon, "requests", "current"));
    let answers = load.end();
    assert_eq!(proxy(&daemon), first, "the next daemon takes it over");
    assert_eq!(
        answers.keys().collect::<Vec<_>>(),
        ["200", "500"],
        "{answers:?}"
    );
    let (all, bad) = failed(&answers);
    assert!(about(bad, all, 0.2), "{answers:?} while nobody was there");
    assert!(all_counted.1 > 0.0, "{all_counted:?}");
    daemon.until("every request is counted by version", SOON, || {
        let errors = counted(&daemon, "errors", "current");
        let requests = counted(&daemon, "requests", "current");
        let others = counted(&daemon, "requests", "previous");
        let whole = errors >= bad as f64 && errors == requests && others >= (all - bad) as f64;
        whole.then_some(())
    });
    assert_eq!(counted(&daemon, "errors", "previous"), 0.0);
}

#[test]
fn good_upgrades_cost_no_request() {
    if !can_run_containers() {
        return;
    }
    let port = free_port();
    let daemon = started(port);
    let load = Load::start(port, 4);
    load.go_on(200);
    // What a busy machine makes slow is not the point here, and there is no old version beside it to compare with.
    let both = "{blueGreen: {promote: automatic, bake: 1s, keepOld: 1s}}, analysis: {latency: {factor: 15}}";
    let steps = "{canary: {steps: [{share: 50%, weight: 50%, bake: 1s}]}}";
    for (version, strategy) in [(2, "rolling"), (3, both), (4, steps)] {
        apply(&daemon, &web(port, version, "none", strategy));
        daemon.until("it is the next version", SOON, || {
            (rollout(&daemon)["generation"] == version).then_some(())
        });
        settled(&daemon);
        load.go_on(200);
        let answers = load.answers();
        let (all, bad) = failed(&answers);
        assert!(
            all > 500 && bad == 0,
            "version {version}, {strategy}: {answers:?}"
        );
    }
    daemon.cli(&["restart", "web"]);
    load.go_on(300);
    settled(&daemon);
    load.go_on(300);
    let answers = load.end();
    assert_eq!(failed(&answers).1, 0, "{answers:?}");
}

#[test]
fn bad_versions_cost_few_requests_or_none() {
    if !can_run_containers() {
        return;
    }
    let port = free_port();
    let daemon = started(port);
    let load = Load::start(port, 4);
    apply(&daemon, &web(port, 2, "crash_at_start", TENTH));
    daemon.until("it went back", SOON, || {
        (rollout(&daemon)["generation"] == 3).then_some(())
    });
    settled(&daemon);
    let answers = load.answers();
    assert_eq!(
        failed(&answers).1,
        0,
        "what crashes takes no traffic: {answers:?}"
    );

    // Its traffic tells: nobody has to.
    apply(&daemon, &web(port, 4, "errors:0.05", TENTH));
    went_back(&daemon, 5);
    let answers = load.answers();
    let (all, bad) = failed(&answers);
    assert!(bad > 0 && bad * 100 < all, "{bad} of {all}: {answers:?}");
    let events = daemon.cli(&["events", "--limit", "500"]);
    assert!(events.contains("errors: "), "{events}");

    apply(&daemon, &web(port, 6, "leak:16Mi", SLOW));
    went_back(&daemon, 7);
    load.go_on(200);
    let answers = load.end();
    let (all, bad) = failed(&answers);
    assert!(bad * 100 < all, "{bad} of {all}: {answers:?}");
}

/// Waits until what was wanted before is wanted again, as a generation of its own.
fn went_back(daemon: &Daemon, generation: u32) {
    daemon.until("it went back", 2 * SOON, || {
        (rollout(daemon)["generation"] == generation).then_some(())
    });
    settled(daemon);
}

/// Who takes the traffic now.
fn takers(daemon: &Daemon) -> BTreeSet<String> {
    let versions = rollout(daemon)["traffic"].clone();
    let versions = versions.as_array().unwrap().iter();
    let takers = versions.flat_map(|version| version["instances"].as_array().unwrap().clone());
    takers.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Nothing is wrong with the preview until it has the traffic. What was kept has it again within seconds, and not
/// one container of it was started anew.
#[test]
fn what_fails_once_it_was_promoted_is_switched_back_to_what_was_kept() {
    if !can_run_containers() {
        return;
    }
    let port = free_port();
    let daemon = started(port);
    let load = Load::start(port, 4);
    load.go_on(500);
    let before = takers(&daemon);
    apply(&daemon, &web(port, 2, "errors:0.08", BOTH));
    went_back(&daemon, 3);
    load.go_on(200);
    let answers = load.end();
    let (all, bad) = failed(&answers);
    let percent = 100.0 * bad as f64 / all as f64;
    eprintln!("blue/green with 8 % errors: {bad} of {all} requests failed ({percent:.2} %)");
    assert!(bad > 0 && bad * 25 < all, "{bad} of {all}: {answers:?}");
    assert_eq!(takers(&daemon), before, "the same as all along");
    let events = daemon.cli(&["events", "--limit", "500"]);
    let mut lines = events
        .lines()
        .filter(|line| line.contains("generation 2 goes back: "));
    let line = lines.next().unwrap_or_default();
    eprintln!("{line}");
    for words in ["fail: errors: ", "of the last good version before it"] {
        assert!(line.contains(words), "{words}: {events}");
    }
}

#[test]
fn too_little_traffic_waits_and_says_so_and_enough_of_it_passes() {
    if !can_run_containers() {
        return;
    }
    let port = free_port();
    let daemon = started(port);
    apply(&daemon, &web(port, 2, "none", TENTH));
    daemon.until("it waits for traffic", SOON, || {
        let shown = daemon.cli(&["rollout", "status", "web"]);
        shown.contains("not enough traffic").then_some(())
    });
    assert_eq!(rollout(&daemon)["under_way"], true);
    let load = Load::start(port, 4);
    settled(&daemon);
    assert_eq!(rollout(&daemon)["generation"], 2);
    let answers = load.end();
    assert_eq!(failed(&answers).1, 0, "{answers:?}");
}

/// The same store under another name.
fn named(name: &str, store: &str) -> String {
    store.replace("{name: web}", &format!("{{name: {name}}}"))
}

/// Waits until a service has settled on a generation that will do. Lines of its rollout's status that came up
/// meanwhile.
fn settled_on(daemon: &Daemon, name: &str, will_do: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    daemon.until(&format!("{name} settled"), 2 * SOON, || {
        let shown = daemon.cli(&["rollout", "status", name]);
        lines.extend(shown.lines().map(|line| line.trim().to_owned()));
        let stands = daemon.json(&["rollout", "status", name]);
        (stands["stands"] == "settled" && will_do(&stands["generation"])).then_some(())
    });
    lines
}

/// What costs more CPU and what writes a new kind of error goes back, though both answer as well as before; what
/// costs and writes as the version before passes.
#[test]
fn versions_are_judged_by_what_they_cost_and_write_though_they_answer() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    import_shop(&daemon);
    let step = "{canary: {steps: [{share: 25%, weight: 25%, bake: 25s}]}}, analysis: {latency: {quantile: 90}}";
    let stores = [
        ("dear", "none", "burn:600000", LONG),
        ("loud", "none", "complain:0.2", LONG),
        ("fair", "complain:0.2", "complain:0.2", step),
    ];
    let stores = stores.map(|store| (free_port(), store));
    for (port, (name, fault, _, _)) in stores {
        apply(&daemon, &named(name, &web(port, 1, fault, "rolling")));
    }
    let loads = stores.map(|(port, (name, ..))| {
        settled_on(&daemon, name, |_| true);
        daemon.until("it is asked", SOON, || {
            (ask(port, &mut None).ok()? == 200).then_some(())
        });
        // So few requests that one is not held up by what those before it still cost; more where that must pass.
        let pause = if name == "fair" { 20 } else { 80 };
        let load = Load::with_pauses(port, 4, Duration::from_millis(pause));
        load.go_on(100);
        load
    });
    for (port, (name, _, fault, strategy)) in stores {
        apply(&daemon, &named(name, &web(port, 2, fault, strategy)));
    }
    let [dear, loud, fair] = stores
        .map(|(_, (name, ..))| daemon.json(&["rollout", "status", name])["generation"].clone());
    let fair = settled_on(&daemon, "fair", |generation| *generation == fair);
    let said = |what: &str| fair.iter().any(|line| line.contains(what));
    assert!(said("ms of CPU for a request in "), "{fair:?}");
    assert!(
        said("new errors: pass: new kinds of error lines never in "),
        "{fair:?}"
    );
    settled_on(&daemon, "loud", |generation| *generation != loud);
    settled_on(&daemon, "dear", |generation| *generation != dear);
    for load in loads {
        let answers = load.end();
        assert_eq!(failed(&answers).1, 0, "{answers:?}");
    }
    let events = daemon.cli(&["events", "--limit", "500"]);
    let went_back = |name: &str| {
        let mut lines = events.lines().filter(|line| line.contains("goes back: "));
        let line = lines.find(|line| line.split_whitespace().any(|word| word == name));
        line.unwrap_or_default().to_owned()
    };
    let (dear, loud) = (went_back("dear"), went_back("loud"));
    assert!(
        dear.contains("CPU: ") && dear.contains("ms of CPU for a request"),
        "{events}"
    );
    assert!(
        loud.contains("new errors: new kinds of error lines "),
        "{events}"
    );
    assert!(
        !events.contains("the till"),
        "text of a workload is in no event: {events}"
    );
}

#[test]
fn a_proxy_that_is_killed_is_gone_round_and_comes_back_and_ends_when_it_is_not_needed() {
    if !can_run_containers() {
        return;
    }
    let port = free_port();
    let daemon = started(port);
    let first = proxy(&daemon);
    let status = std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    let owner = status
        .lines()
        .find(|line| line.starts_with("Uid:"))
        .unwrap();
    assert_eq!(
        owner.split_whitespace().collect::<Vec<_>>()[1..],
        ["65533"; 4]
    );
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::SIGKILL).unwrap();
    daemon.until("another runs", SOON, || {
        (proxy(&daemon) != first).then_some(())
    });
    daemon.until("it answers", SOON, || {
        (ask(port, &mut None).ok()? == 200).then_some(())
    });
    let before = counted(&daemon, "requests", "current");
    daemon.until("it is on the way again", SOON, || {
        drop(ask(port, &mut None));
        (counted(&daemon, "requests", "current") > before).then_some(())
    });
    let second = proxy(&daemon);
    daemon.cli(&["delete", "web", "--yes"]);
    daemon.until("it ended", SOON, || (!alive(second)).then_some(()));
}
