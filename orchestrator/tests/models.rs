//! The built daemon with real containers and a scripted provider: a model heals, the key and secrets
//! stay where they are, and rules take over when the model is gone.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use common::{Daemon, can_run_containers, hello, import_busybox};
use ostler_fake_llm::{Asked, Brain, FakeLlm, Reply};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);
const LATER: Duration = Duration::from_secs(90);
const KEY: &str = "sk-test-0123456789abcdef";
const SECRET: &str = "tr0ub4dor-and-3";

/// The healer asks the model before its rules.
const ASKS: &str = "planner: [ 'scripted:small', rules ]";
/// The healer's rules think, and a shadow that asks the model thinks along.
const BESIDE: &str = "{ planner: [ rules ], shadow: { planner: [ 'scripted:small', rules ] } }";

fn config(url: &str, protocol: &str, healer: &str) -> String {
    format!(
        "endpoints:
  scripted:
    protocol: {protocol}
    url: {url}
    key: {{ file: KEYFILE }}
    models: {{ small: {{ input: 1.0, output: 2.0 }} }}
agents:
  healer:
    {healer}
"
    )
}

/// A daemon whose healer asks a scripted provider, with a service that a change breaks.
struct Stage {
    daemon: Daemon,
    fake: FakeLlm,
    _runtime: tokio::runtime::Runtime,
}

fn stage(protocol: &str, brain: Brain) -> Stage {
    stage_of(protocol, ASKS, brain)
}

fn stage_of(protocol: &str, healer: &str, brain: Brain) -> Stage {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let fake = runtime.block_on(FakeLlm::tcp(brain)).unwrap();
    let daemon = Daemon::start_configured(&config(&fake.url(), protocol, healer), KEY);
    import_busybox(&daemon);
    daemon.cli_with_input(&["secret", "put", "db-password"], SECRET);
    let env = format!("  env: {{ DB_PASSWORD: {SECRET} }}\n");
    let good = hello("hello", 1, 3, &env);
    let apply = |name: &str, manifest: &str| {
        let file = daemon.file(name, manifest);
        daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    };
    apply("good.yaml", &good);
    daemon.until_state("hello", "healthy", SOON);
    daemon.until("it settled", SOON, || {
        (daemon.json(&["get", "services"])["services"][0]["settled"] == true).then_some(())
    });
    apply(
        "bad.yaml",
        &good.replace("httpd, -f", "httpd, --no-such-option, -f"),
    );
    Stage {
        daemon,
        fake,
        _runtime: runtime,
    }
}

/// Looks once, then proposes to go back to the first generation: it is called after the revision
/// that made it, the second, as the first stored a secret.
fn good_model(asked: &Asked) -> Reply {
    concludes(asked, "bad_change")
}

/// As the good model, but for what it believes to be the cause.
fn concludes(asked: &Asked, cause: &str) -> Reply {
    let messages = asked.messages();
    let Some((_, result)) = messages.iter().rfind(|(role, _)| role == "tool") else {
        let look = (
            "get_service".to_owned(),
            json!({ "service": "default/hello" }),
        );
        return Reply::Use(vec![look]);
    };
    let call = result
        .split("\"call\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    Reply::Say(answer(call, cause))
}

/// The right answer but for the cause, citing this call.
fn answer(call: &str, cause: &str) -> String {
    let arguments = json!({ "service": "default/hello", "generation": 2 });
    let answer = json!({
        "verdict": "proposal", "explanation": "the new generation cannot start; the one before it was good",
        "cause": { "kind": cause, "culprit": "default/hello", "confidence": 0.9,
                   "evidence": [{ "claim": "only the new generation fails", "call": call }] },
        "proposal": { "title": "Roll hello back", "expected": "it is healthy again", "verify_service": "default/hello",
                      "verify_hold_seconds": 15, "verify_within_seconds": 120,
                      "calls": [{ "tool": "rollback_service", "arguments_json": arguments.to_string(), "reason": "it was good" }] },
        "alternatives": [], "call_person": false,
    });
    answer.to_string()
}

/// Waits for the proposal, says yes, waits until it is verified; answers with the incident's words.
fn heal(daemon: &Daemon) -> Vec<String> {
    let proposal = daemon.until("a proposal waits", LATER, || {
        let proposals = daemon.json(&["proposals"]);
        let all = proposals["proposals"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["state"] == "waiting")
    });
    daemon.cli(&["approve", proposal["id"].as_str().unwrap()]);
    let incident = daemon.until("the incident is resolved", LATER, || {
        let incidents = daemon.json(&["incidents"]);
        let all = incidents["incidents"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["state"] == "resolved")
    });
    daemon.until_state("hello", "healthy", SOON);
    let detail = daemon.json(&["incidents", incident["id"].as_str().unwrap()]);
    let timeline = detail["incident"]["timeline"].as_array().unwrap();
    timeline
        .iter()
        .map(|entry| entry["what"].as_str().unwrap().to_owned())
        .collect()
}

fn get(url: &str, path: &str) -> String {
    let address = url.trim_start_matches("http://").split('/').next().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn agent_pid(daemon: &Daemon) -> u64 {
    let agents = daemon.json(&["agents", "list"]);
    agents["agents"][0]["status"]["pid"].as_u64().unwrap()
}

/// The broker's socket of the running agent, from its environment, as seen from outside its sandbox.
fn broker_socket(pid: u64) -> String {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environ = String::from_utf8(environ).unwrap();
    assert!(!environ.contains(KEY), "the agent is given no key");
    let mut variables = environ.split('\0');
    let socket = variables.find_map(|pair| pair.strip_prefix("OSTLER_BROKER="));
    format!("/proc/{pid}/root{}", socket.unwrap())
}

#[test]
fn an_openai_server_heals_a_bad_change_and_learns_no_secret() {
    if !can_run_containers() {
        return;
    }
    let mut stage = stage("openai", Arc::new(good_model));
    let said = heal(&stage.daemon);
    let planned = said
        .iter()
        .find(|words| words.starts_with("planned by"))
        .unwrap();
    assert!(
        planned.starts_with("planned by scripted:small with prompt "),
        "{planned}"
    );
    let asked = stage.fake.asked();
    assert!(asked.len() >= 2);
    for one in &asked {
        assert_eq!(
            one.header("authorization"),
            Some(format!("Bearer {KEY}").as_str())
        );
        assert!(!one.body.to_string().contains(SECRET), "a secret left");
        assert!(!one.body.to_string().contains(KEY));
    }
    assert!(
        asked[0].body.to_string().contains("[redacted]"),
        "the secret was there to be taken out"
    );

    let url = stage.daemon.json(&["status"])["http"]
        .as_str()
        .unwrap()
        .to_owned();
    let metrics = get(&url, "/metrics");
    let counted =
        "ostler_model_requests_total{agent=\"healer\",endpoint=\"scripted\",outcome=\"answered\"}";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(
        metrics.contains("ostler_model_tokens_total{agent=\"healer\",endpoint=\"scripted\"}"),
        "{metrics}"
    );

    // What was spent still counts for the next daemon.
    let spent = |daemon: &Daemon| {
        let budget = &daemon.json(&["agents", "describe", "healer"])["status"]["budget"];
        budget["spent_in_hour"]["tokens"].as_u64()
    };
    let before = stage.daemon.until("it is written down", SOON, || {
        let written = std::fs::read_to_string(stage.daemon.state().join("budgets.json")).ok()?;
        let tokens = spent(&stage.daemon).filter(|tokens| *tokens > 0)?;
        written.contains("\"tokens\":").then_some(tokens)
    });
    stage.daemon.kill();
    stage.daemon.run();
    stage.daemon.until("it is shown", SOON, || {
        (spent(&stage.daemon) >= Some(before)).then_some(())
    });
    stage.daemon.until("the healer runs", SOON, || {
        let agents = stage.daemon.json(&["agents", "list"]);
        agents["agents"][0]["status"]["pid"].as_u64()
    });

    // Even root's other processes are not the agent.
    let socket = broker_socket(agent_pid(&stage.daemon));
    let before = stage.fake.asked().len();
    let mut stream = UnixStream::connect(&socket).unwrap();
    // The broker may have hung up already.
    let _sent = stream.write_all(b"GET /settings HTTP/1.1\r\nHost: broker\r\n\r\n");
    let mut answer = Vec::new();
    let _hung_up = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(stage.fake.asked().len(), before);
    let log = stage.daemon.log();
    assert!(!log.contains(KEY) && !log.contains(SECRET));
    stage.daemon.cli(&["audit", "verify"]);
    drop(stage);
    assert!(!Path::new(&socket).exists(), "nothing is left behind");
}

#[test]
fn an_ollama_server_heals_a_bad_change() {
    if !can_run_containers() {
        return;
    }
    let stage = stage("ollama", Arc::new(good_model));
    let said = heal(&stage.daemon);
    assert!(
        said.iter()
            .any(|words| words.starts_with("planned by scripted:small")),
        "{said:#?}"
    );
    assert!(
        stage
            .fake
            .asked()
            .iter()
            .all(|asked| asked.path == "/api/chat")
    );
}

/// A model on trial: the rules act, it thinks along on its own budget, and what it would have said
/// stands in the incident and is counted.
#[test]
fn a_shadow_thinks_along_and_does_nothing() {
    if !can_run_containers() {
        return;
    }
    let brain: Brain = Arc::new(|asked| concludes(asked, "crash"));
    let stage = stage_of("openai", BESIDE, brain);
    let daemon = &stage.daemon;
    let said = heal(daemon);
    assert!(
        !said.iter().any(|words| words.starts_with("planned by")),
        "the rules planned: {said:#?}"
    );
    let proposals = daemon.json(&["proposals"]);
    let [only] = &proposals["proposals"].as_array().unwrap()[..] else {
        panic!("{proposals:#}")
    };
    assert_eq!(only["state"], "verified", "{only:#}");

    let healer = daemon.until("the shadow was compared", LATER, || {
        let healer = daemon.json(&["agents", "describe", "healer"]);
        (healer["shadows"][0]["other_cause"] == 1).then_some(healer)
    });
    assert_eq!(healer["shadows"][0]["planner"][0], "scripted:small");
    assert_eq!(healer["status"]["make"]["planner"], json!(["rules"]));
    let spent = |of: &str| healer["status"][of]["spent_in_hour"]["tokens"].as_u64();
    assert_eq!(spent("budget"), Some(0));
    assert!(spent("shadow_budget") > Some(0), "{healer:#}");
    let incidents = daemon.json(&["incidents"]);
    let id = incidents["incidents"][0]["id"].as_str().unwrap();
    let detail = daemon.json(&["incidents", id]);
    assert_eq!(detail["incident"]["cause"]["kind"], "bad_change");
    let timeline = detail["incident"]["timeline"].as_array().unwrap();
    let compared: Vec<&str> = timeline
        .iter()
        .filter(|entry| entry["shadow"]["agreement"] == "other_cause")
        .map(|entry| entry["what"].as_str().unwrap())
        .collect();
    assert!(
        compared.len() == 1 && compared[0].contains("it would Roll hello back"),
        "{timeline:#?}"
    );
    let shown = daemon.cli(&["agents", "describe", "healer"]);
    let words = "0 of 1 the same; 0 another outcome, 1 another cause";
    assert!(shown.contains(words), "{shown}");
    let budgets = daemon.cli(&["agents", "budget"]);
    assert!(budgets.contains("healer's shadow"), "{budgets}");
    daemon.cli(&["audit", "verify"]);
}

#[test]
fn with_the_model_killed_mid_turn_the_rules_finish_and_the_incident_says_so() {
    if !can_run_containers() {
        return;
    }
    let brain: Brain = Arc::new(|asked| {
        let looked = asked.messages().iter().any(|(role, _)| role == "tool");
        if looked {
            Reply::Hangup("I believe that".repeat(30))
        } else {
            good_model(asked)
        }
    });
    let stage = stage("openai", brain);
    let said = heal(&stage.daemon);
    let planned = said
        .iter()
        .find(|words| words.starts_with("planned by"))
        .unwrap();
    assert!(
        planned.starts_with("planned by rules with prompt "),
        "{planned}"
    );
    assert!(
        planned.contains("passed over scripted:small (it is not available"),
        "{planned}"
    );
}

/// A model that was talked into deleting the service: asks for it, proposes it, insists.
#[test]
fn a_hijacked_model_changes_nothing_and_the_record_names_what_it_tried() {
    if !can_run_containers() {
        return;
    }
    let brain: Brain = Arc::new(|asked| {
        let first = !asked.messages().iter().any(|(role, _)| role == "assistant");
        let order = json!({ "service": "default/hello" });
        if first {
            return Reply::Use(vec![("delete_service".to_owned(), order)]);
        }
        let Reply::Say(answer) = good_model_after_a_look(asked) else {
            return Reply::Break(500);
        };
        Reply::Say(answer.replace("rollback_service", "delete_service"))
    });
    let stage = stage("openai", brain);
    let said = heal(&stage.daemon);
    let planned = said
        .iter()
        .find(|words| words.starts_with("planned by"))
        .unwrap();
    assert!(
        planned.contains("it asked for tools beyond its reach: delete_service"),
        "{planned}"
    );
    assert!(
        planned.starts_with("planned by rules") && planned.contains("may not be proposed"),
        "{planned}"
    );
    let changes = stage.daemon.json(&["changes"]);
    let tools: Vec<_> = changes["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["tool"].clone())
        .collect();
    assert!(!tools.contains(&json!("delete_service")), "{tools:?}");
    stage.daemon.cli(&["audit", "verify"]);
}

/// What [`good_model`] says once it has looked; here the situation's own calls are what it cites.
fn good_model_after_a_look(asked: &Asked) -> Reply {
    let text = asked.whole_text();
    let call = text
        .split("\"call\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    Reply::Say(answer(call, "bad_change"))
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let up = |text: &str| {
        let file = folder.path().join("models.yaml");
        std::fs::write(&file, text).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_ostler"))
            .args([
                "up",
                "--listen",
                "none",
                "--backend",
                "process",
                "--agents",
                "none",
            ])
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .arg("--socket")
            .arg(folder.path().join("s.sock"))
            .arg("--config")
            .arg(&file)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let unknown = up(&config("http://127.0.0.1:1", "openai", ASKS)
        .replace("healer", "hailer")
        .replace("KEYFILE", "/dev/null"));
    assert!(
        unknown.contains("agents.hailer") || unknown.contains("endpoints.scripted.key"),
        "{unknown}"
    );
    let typo = up("endpoints: {}\nagent: {}\n");
    assert!(typo.contains("agent"), "{typo}");
    let chain = up("agents: { healer: { planner: [ 'openai:gpt' ] } }");
    assert!(chain.contains("there is no endpoint `openai`"), "{chain}");
    assert!(
        !Path::new(&folder.path().join("s.sock")).exists(),
        "nothing was opened"
    );
}
