//! From a push into a real registry to what becomes of it: found, proposed, brought in step by step under
//! load, and sent back where it does harm.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::time::{Duration, Instant};

use common::{
    Daemon, can_run_containers, free_port,
    load::{Load, ask, failed},
    registry::Registry,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(90);
/// What the first version holds, and the others.
const HOLED: &str = "pkg:npm/left@1.0.0";
const MENDED: &str = "pkg:npm/left@1.0.1";
const RECORD: &str = r#"{ "id": "GHSA-left", "database_specific": { "severity": "HIGH" }, "affected": [{
    "package": { "ecosystem": "npm", "name": "left" },
    "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "1.0.1" }] }] }] }"#;

fn web(image: &str, port: u16) -> String {
    format!(
        "apiVersion: ostler.dev/v1
kind: Service
metadata: {{name: web}}
spec:
  image: {image}
  args: [store]
  resources: {{limits: {{memory: 64Mi}}}}
  env: {{DATA_DIR: /tmp/data}}
  ports: [{{name: http, port: 8080, publish: {port}, appProtocol: http}}]
  replicas: {{min: 4, max: 4}}
  probes: {{readiness: {{http: {{port: 8080, path: /readyz}}, period: 300ms}}}}
  configs: [{{path: /etc/shop/config.json, content: '{{\"name\": \"web\"}}'}}]
  update: {{maxSurge: 2, healthyDeadline: 10s, progressDeadline: 20s}}
  upgrades: {{track: minor, bake: 6s}}
"
    )
}

struct Stage {
    daemon: Daemon,
    registry: Registry,
    port: u16,
    rows: Vec<String>,
}

/// A row of the table: what happened between two moments.
struct Measured {
    all: usize,
    bad: usize,
    took: Duration,
}

impl Measured {
    /// Below one of a hundred requests failed.
    fn cost_few(&self) {
        assert!(self.bad * 100 < self.all, "{} of {}", self.bad, self.all);
    }
}

impl Stage {
    fn open() -> Option<Self> {
        if !can_run_containers() {
            return None;
        }
        let registry = Registry::start()?;
        registry.push("1.0.0", "none", HOLED);
        let daemon = Daemon::start_written(true, |folder| {
            std::fs::create_dir(folder.join("osv")).unwrap();
            std::fs::write(folder.join("osv/left.json"), RECORD).unwrap();
            "upgrades: { every: 5s, osv: osv }\nagents: { upgrader: { planner: [ rules ] } }\n"
                .to_owned()
        });
        // The core and the upgrader alone: what the healer makes of bad versions is another test.
        daemon.cli(&["agents", "pause", "healer"]);
        let port = free_port();
        let file = daemon.file(
            "web.yaml",
            &web(&format!("{}:1.0.0", registry.shop()), port),
        );
        daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
        let stage = Self {
            daemon,
            registry,
            port,
            rows: Vec::new(),
        };
        stage.runs("1.0.0");
        stage.daemon.until("requests are answered", SOON, || {
            (ask(port, &mut None).ok()? == 200).then_some(())
        });
        Some(stage)
    }

    fn service(&self) -> Value {
        self.daemon.json(&["get", "services"])["services"][0].clone()
    }

    /// Waits until the service is at rest with this version.
    fn runs(&self, tag: &str) {
        let image = format!("{}:{tag}", self.registry.shop());
        self.daemon.until(&format!("{tag} runs"), 2 * SOON, || {
            let web = self.service();
            let is = web["image"].as_str()?.starts_with(&image);
            (is && web["settled"] == true && web["state"] == "healthy").then_some(())
        });
    }

    /// Waits until so many known vulnerabilities reach what runs.
    fn reached_by(&self, count: u32) {
        let what = format!("{count} known vulnerabilities reach it");
        self.daemon.until(&what, SOON, || {
            let all = self.daemon.json(&["upgrades"]);
            (all["services"][0]["seen"]["vulnerable"] == count).then_some(())
        });
    }

    /// Waits for the proposal of this version, which somebody approves; its id.
    fn proposed(&self, tag: &str) -> String {
        let title = format!("Upgrade `default/web` to `{tag}`");
        let proposal = self.daemon.until(&title, SOON, || {
            let all = self.daemon.json(&["proposals"]);
            let all = all["proposals"].as_array()?.clone();
            all.into_iter().find(|one| one["state"] == "waiting")
        });
        let said = proposal["title"].as_str().unwrap();
        assert!(said.starts_with(&title), "no other is proposed: {said}");
        let id = proposal["id"].as_str().unwrap().to_owned();
        self.daemon.cli(&["approve", &id]);
        id
    }

    fn ends_as(&self, id: &str, state: &str) -> Value {
        self.daemon
            .until(&format!("{id} is {state}"), 2 * SOON, || {
                let detail = self.daemon.json(&["proposals", id]);
                (detail["proposal"]["state"] == state).then_some(detail["proposal"].clone())
            })
    }

    /// Pushes a version and measures what becomes of it, under load.
    fn case(
        &mut self,
        (tag, fault): (&str, &str),
        load: &Load,
        becomes: impl FnOnce(&Self, &str) -> String,
    ) -> Measured {
        let (began, before) = (Instant::now(), failed(&load.answers()));
        self.registry.push(tag, fault, MENDED);
        let id = self.proposed(tag);
        let what = becomes(self, &id);
        load.go_on(200);
        let after = failed(&load.answers());
        let measured = Measured {
            all: after.0 - before.0,
            bad: after.1 - before.1,
            took: began.elapsed(),
        };
        self.row(tag, fault, &what, &measured);
        measured
    }

    fn row(&mut self, tag: &str, fault: &str, what: &str, measured: &Measured) {
        self.rows.push(format!(
            "| {tag} ({fault}) | {what} | {} | {} | {:.0} s |",
            measured.all,
            measured.bad,
            measured.took.as_secs_f64()
        ));
    }
}

/// What a bad version comes to: taken back, for a reason that is on record.
fn taken_back(stage: &Stage, id: &str, before: &str) -> String {
    let proposal = stage.ends_as(id, "undone");
    stage.runs(before);
    let outcome = proposal["outcome"].as_str().unwrap();
    let (_, why) = outcome
        .split_once("the core sent it back: ")
        .unwrap_or(("", outcome));
    assert!(!why.is_empty());
    format!("taken back: {why}")
}

#[test]
fn versions_that_are_pushed_come_in_or_go_back_and_the_good_ones_cost_no_request() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    let load = Load::start(stage.port, 4);
    load.go_on(500);

    stage.reached_by(1);
    let good = stage.case(("1.0.1", "none"), &load, |stage, id| {
        let proposal = stage.ends_as(id, "verified").to_string();
        for words in ["GHSA-left", "half as long as usual", "low risk"] {
            assert!(proposal.contains(words), "{words}: {proposal}");
        }
        stage.runs("1.0.1");
        stage.reached_by(0);
        "promoted".to_owned()
    });
    assert_eq!(good.bad, 0, "a good version costs no request");

    let fails = stage.case(("1.1.0", "errors:0.05"), &load, |stage, id| {
        taken_back(stage, id, "1.0.1")
    });
    fails.cost_few();

    let leaks = stage.case(("1.2.0", "leak:16Mi"), &load, |stage, id| {
        taken_back(stage, id, "1.0.1")
    });
    leaks.cost_few();

    let crashes = stage.case(("1.3.0", "crash_at_start"), &load, |stage, id| {
        taken_back(stage, id, "1.0.1")
    });
    assert_eq!(crashes.bad, 0, "what crashes takes no traffic");

    stage.daemon.until("it says what was tried", SOON, || {
        let shown = stage.daemon.cli(&["upgrades", "web"]);
        shown.contains("1.3.0 (tried, left)").then_some(())
    });
    let answers = load.end();
    assert!(failed(&answers).0 > 1_000, "{answers:?}");

    without_traffic(&mut stage);
    eprintln!(
        "| version | becomes | requests | failed | from push to end |\n|---|---|---|---|---|"
    );
    eprintln!("{}", stage.rows.join("\n"));
}

/// Nobody asks for anything any more: nothing is shown, so nothing passes.
fn without_traffic(stage: &mut Stage) {
    let began = Instant::now();
    stage.registry.push("1.4.0", "none", MENDED);
    stage.proposed("1.4.0");
    stage
        .daemon
        .until("it waits for traffic and says so", SOON, || {
            let shown = stage.daemon.try_cli(&["rollout", "status", "web"]);
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            shown.contains("not enough traffic").then_some(())
        });
    let rollout = stage.daemon.json(&["rollout", "status", "web"]);
    assert_eq!(rollout["under_way"], true);
    let nothing = Measured {
        all: 0,
        bad: 0,
        took: began.elapsed(),
    };
    stage.row(
        "1.4.0",
        "none, no traffic",
        "waits: not enough traffic to say",
        &nothing,
    );
}
