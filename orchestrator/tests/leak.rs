//! A leak in a real container, healed before the kernel ends it: by rules, and by a model over either
//! protocol.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{sync::Arc, thread, time::Duration};

use common::{Daemon, can_run_containers, hello, import_busybox};
use ostler_core::incident::CauseKind;
use ostler_evals::bundle::Truth;
use ostler_fake_llm::{Asked, FakeLlm, Reply};
use ostler_tools::answer::IncidentExport;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
/// A trend needs a minute of points, a model its looks, and the machine may be busy.
const LATER: Duration = Duration::from_secs(240);

/// Half of its memory is full from the start; the rest fills within four minutes. What it writes is
/// in memory and goes with the container.
const LEAKS: &str = "head -c 34m /dev/zero > /dev/shm/leak; httpd -p 8080 -h /www; \
    while true; do head -c 128k /dev/zero >> /dev/shm/leak; sleep 1; done";

fn leaky() -> String {
    let good = hello("hello", 1, 3, "  resources: {limits: {memory: 64Mi}}\n");
    let command = serde_json::to_string(&["sh", "-c", LEAKS]).unwrap();
    good.replace("[httpd, -f, -p, '8080', -h, /www]", &command)
}

fn config(url: &str, protocol: &str) -> String {
    format!(
        "endpoints: {{ scripted: {{ protocol: {protocol}, url: '{url}', models: {{ small: {{}} }} }} }}
agents: {{ healer: {{ planner: [ 'scripted:small', rules ] }} }}
"
    )
}

/// Looks at the instances, then proposes to restart the one there is.
fn model(asked: &Asked) -> Reply {
    let messages = asked.messages();
    let Some((_, result)) = messages.iter().rfind(|(role, _)| role == "tool") else {
        let look = (
            "list_instances".to_owned(),
            json!({ "service": "default/hello" }),
        );
        return Reply::Use(vec![look]);
    };
    let field = |name: &str| {
        let rest = result.split(&format!("\"{name}\":\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let arguments = json!({ "instances": [field("instance")] });
    let answer = json!({
        "verdict": "proposal", "explanation": "memory grows whatever the load",
        "cause": { "kind": "memory_leak", "culprit": "default/hello", "confidence": 0.9,
                   "evidence": [{ "claim": "it has run all the while", "call": field("call") }] },
        "proposal": { "title": "Restart it in time", "expected": "memory is low again", "verify_service": "default/hello",
                      "verify_hold_seconds": 15, "verify_within_seconds": 120,
                      "calls": [{ "tool": "restart_instances", "arguments_json": arguments.to_string(), "reason": "it leaks" }] },
        "alternatives": [], "call_person": false,
    });
    Reply::Say(answer.to_string())
}

/// The first of a list that is so.
fn first(daemon: &Daemon, list: &str, state: &str) -> Option<Value> {
    let all = daemon.json(&[list]);
    let all = all[list].as_array().unwrap().clone();
    all.into_iter().find(|one| one["state"] == state)
}

/// What was captured when it was opened leads the healer's rules to the same cause and the same call,
/// long after it was healed.
fn replays(daemon: &Daemon, incident: &str) {
    let export = daemon.json(&["incident", "export", incident]);
    let export: IncidentExport = serde_json::from_value(export).unwrap();
    let bundle = ostler_evals::capture::bundle(&export).unwrap();
    assert!(
        matches!(&bundle.truth, Truth::Faulty { cause: CauseKind::MemoryLeak, tool: Some(tool), .. }
            if tool == "restart_instances"),
        "{:?}",
        bundle.truth
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let seen = runtime.block_on(ostler_evals::replay::replay(&bundle, None));
    let verdict = ostler_evals::judge::judge(&bundle, &seen.unwrap());
    assert!(verdict.wrong.is_empty(), "{:?}", verdict.wrong);
}

/// The leak is proposed against, approved, verified; answers with how a model planned, where one did.
fn heals(daemon: &Daemon) -> Option<String> {
    import_busybox(daemon);
    let file = daemon.file("leaky.yaml", &leaky());
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    daemon.until_state("hello", "healthy", SOON);
    let proposal = daemon.until("a proposal waits", LATER, || {
        first(daemon, "proposals", "waiting")
    });
    daemon.cli(&["approve", proposal["id"].as_str().unwrap()]);
    let incident = daemon.until("it is resolved", LATER, || {
        first(daemon, "incidents", "resolved")
    });
    let detail = daemon.json(&["incidents", incident["id"].as_str().unwrap()]);
    assert_eq!(
        detail["incident"]["cause"]["kind"], "memory_leak",
        "{detail}"
    );
    let ended = daemon.json(&["events"]).to_string();
    assert!(
        !ended.contains("out_of_memory\":true"),
        "the kernel was faster: {ended}"
    );
    daemon.cli(&["audit", "verify"]);
    replays(daemon, incident["id"].as_str().unwrap());
    let timeline = detail["incident"]["timeline"].as_array().unwrap().clone();
    let mut said = timeline.iter().map(|entry| entry["what"].as_str().unwrap());
    said.find(|words| words.starts_with("planned by"))
        .map(str::to_owned)
}

fn by_model(protocol: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fake = runtime.block_on(FakeLlm::tcp(Arc::new(model))).unwrap();
    let daemon = Daemon::start_configured(&config(&fake.url(), protocol), "");
    let planned = heals(&daemon).unwrap();
    assert!(
        planned.starts_with("planned by scripted:small"),
        "{planned}"
    );
}

/// Three daemons at once: each mostly waits.
#[test]
fn a_leak_is_healed_by_rules_and_by_models_over_both_protocols() {
    if !can_run_containers() {
        return;
    }
    thread::scope(|scope| {
        scope.spawn(|| by_model("openai"));
        scope.spawn(|| by_model("ollama"));
        assert_eq!(heals(&Daemon::start(true)), None);
    });
}
