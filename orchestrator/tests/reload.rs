//! The configuration file is read anew at SIGHUP: who is not concerned does not notice, and a file
//! that makes no sense changes nothing.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{fs, time::Duration};

use common::{Daemon, can_run_containers};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

fn rules() -> Value {
    json!({"healer": {"planner": ["rules"]}})
}

fn reload(daemon: &Daemon, config: &str) {
    daemon.file("config.yaml", config);
    kill(Pid::from_raw(daemon.pid()), Signal::SIGHUP).unwrap();
}

fn agent(daemon: &Daemon, name: &str) -> Option<Value> {
    let agents = daemon.json(&["agents", "list"]);
    let all = agents["agents"].as_array().unwrap().clone();
    all.into_iter().find(|agent| agent["name"] == name)
}

/// The process of a running agent.
fn pid(daemon: &Daemon, name: &str) -> Option<u64> {
    let status = &agent(daemon, name)?["status"];
    (status["state"] == "running").then_some(status["pid"].as_u64()?)
}

fn problems(daemon: &Daemon) -> String {
    daemon.json(&["status"])["problems"].to_string()
}

#[test]
fn agents_and_models_change_while_the_daemon_runs() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start_configured(&json!({"agents": rules()}).to_string(), "");
    let first = daemon.until("the healer runs", SOON, || pid(&daemon, "healer"));

    // An agent of the operator's own joins; it says nothing, which is its own affair for a while.
    let tools = daemon.path("tools");
    fs::create_dir(&tools).unwrap();
    fs::copy("/bin/busybox", tools.join("busybox")).unwrap();
    let program =
        json!({"command": ["/tools/busybox", "sleep", "1000"], "mounts": {"/tools": tools}});
    let mut agents = rules();
    agents["watcher"] = json!({"program": program});
    reload(&daemon, &json!({"agents": agents}).to_string());
    daemon.until("the watcher runs", SOON, || pid(&daemon, "watcher"));
    assert_eq!(
        pid(&daemon, "healer"),
        Some(first),
        "the healer noticed nothing"
    );

    // Nonsense changes nothing, and says what is wrong.
    reload(
        &daemon,
        "agents: { healer: { planner: [ 'nowhere:small', rules ] } }",
    );
    let told = daemon.until("the problem is told", SOON, || {
        let problems = problems(&daemon);
        problems.contains("not taken over").then_some(problems)
    });
    assert!(told.contains("nowhere"), "{told}");
    assert_eq!(pid(&daemon, "healer"), Some(first));
    assert!(agent(&daemon, "watcher").is_some());

    // The healer is given a model and begins anew; the watcher leaves.
    let endpoint =
        json!({"protocol": "ollama", "url": "http://127.0.0.1:9", "models": {"small": {}}});
    let healer = json!({"planner": ["local:small", "rules"]});
    let config = json!({"endpoints": {"local": endpoint}, "agents": {"healer": healer}});
    reload(&daemon, &config.to_string());
    daemon.until("the healer runs anew", SOON, || {
        pid(&daemon, "healer").filter(|pid| *pid != first)
    });
    daemon.until("its planners are shown", SOON, || {
        let planner = &agent(&daemon, "healer")?["status"]["budget"]["planner"];
        (*planner == json!(["local:small", "rules"])).then_some(())
    });
    assert!(agent(&daemon, "watcher").is_none());
    assert_eq!(problems(&daemon), "[]");
    let events = daemon.json(&["events"]).to_string();
    assert!(
        events.contains("the configuration was read anew"),
        "{events}"
    );
}
