//! The scaler on a live fleet: it learns from the demo's shop under load what a frontend carries, proposes to tell
//! it so, and after a person's yes the core's rule follows.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::time::Duration;

use common::{Daemon, can_run_containers, import_shop};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(180);
const SHOP: &str = include_str!("../../evals/shop/shop.yaml");
const TRAFFIC: &str = include_str!("../../evals/shop/traffic.yaml");

/// The shop with frontends that are told to carry two requests a second, which is far less than they can.
fn shop() -> String {
    let changed = SHOP.replace(", publish: 8088", "").replace(
        "replicas: { min: 2, max: 6 }",
        "replicas: { min: 2, max: 8 }
  scaling:
    targets: [{ signal: requestRate, perInstance: 2 }]
    down: { window: 20s, every: 5s, factor: 2 }",
    );
    assert!(changed.contains("scaling:") && changed.contains("perInstance: 2"));
    changed
}

fn frontend(daemon: &Daemon) -> Value {
    daemon.json(&["describe", "service", "frontend"])
}

fn wanted(daemon: &Daemon) -> u64 {
    frontend(daemon)["summary"]["wanted"].as_u64().unwrap()
}

/// What it proposes for the frontend.
fn proposal(daemon: &Daemon) -> Value {
    daemon.until("it proposes to tune the frontend", LATER, || {
        let all = daemon.json(&["proposals"]);
        let mut all = all["proposals"].as_array()?.clone().into_iter();
        all.find(|one| {
            let title = one["title"].as_str().unwrap_or_default();
            one["state"] == "waiting" && title.starts_with("Tune `default/frontend`")
        })
    })
}

#[test]
fn it_learns_what_instances_carry_and_with_a_yes_fewer_do_it() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(true);
    // The core and the scaler alone.
    daemon.cli(&["agents", "pause", "healer"]);
    import_shop(&daemon);
    let file = daemon.file("shop.yaml", &shop());
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    daemon.until_state("frontend", "healthy", SOON);
    let file = daemon.file("traffic.yaml", TRAFFIC);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    daemon.until("all that may be are wanted", LATER, || {
        (wanted(&daemon) == 8).then_some(())
    });

    let proposal = proposal(&daemon);
    let id = proposal["id"].as_str().unwrap();
    let detail = daemon.json(&["proposals", id])["proposal"].clone();
    let call = &detail["body"]["calls"][0];
    assert_eq!(call["tool"], "tune_scaling");
    let each = call["arguments"]["targets"][0]["perInstance"].as_f64();
    assert!(each.unwrap() > 2.0 && each.unwrap() <= 4.0, "{detail:#}");
    let said = detail["body"]["cause"].to_string();
    assert!(
        said.contains("requests/s now") && said.contains("ms of CPU each"),
        "{said}"
    );
    assert_eq!(wanted(&daemon), 8, "nothing moves before the yes");

    daemon.cli(&["approve", id]);
    daemon.until("fewer carry it", LATER, || {
        (wanted(&daemon) <= 6).then_some(())
    });
    daemon.until("it is verified", LATER, || {
        let proposal = daemon.json(&["proposals", id])["proposal"].clone();
        let state = &proposal["state"];
        assert!(state != "undone" && state != "failed", "{proposal:#}");
        (*state == "verified").then_some(())
    });
    assert!(frontend(&daemon)["tuning"]["until"].as_u64().is_some());
    let by = daemon
        .json(&["audit", "list", "--limit", "500"])
        .to_string();
    assert!(by.contains("agent:scaler"), "{by}");
    daemon.cli(&["audit", "verify"]);
    eprintln!("told to carry {each:?}, {} are wanted", wanted(&daemon));
}
