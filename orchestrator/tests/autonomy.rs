//! An agent that was promoted on a certificate heals without asking; one line of another prompt, and it asks again.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::time::{Duration, SystemTime};

use common::{Daemon, can_run_containers, hello, import_busybox};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ostler_agents::make;
use ostler_core::{
    autonomy::{Certificate, Make, Scores},
    time::{Span, Time},
};
use ostler_gate::{certificate, note::Signer};
use ostler_planning::Planning;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

fn healer(daemon: &Daemon) -> Value {
    let agents = daemon.json(&["agents", "list"]);
    let all = agents["agents"].as_array().unwrap();
    all.iter()
        .find(|agent| agent["name"] == "healer")
        .unwrap()
        .clone()
}

fn standing(daemon: &Daemon) -> String {
    healer(daemon)["standing"]["standing"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What an eval run of exactly this agent would sign.
fn certify(make: Make, signer: &Signer) -> String {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let now = Time(u64::try_from(since.as_millis()).unwrap());
    let certificate = Certificate {
        make,
        suite: "incidents and faults".into(),
        suite_digest: String::new(),
        scores: Scores {
            cases: 200,
            passed: 960,
            mended: 930,
            false_alarms: 60,
            ..Scores::default()
        },
        issued_at: now,
        expires_at: now + Span::minutes(60),
    };
    certificate::sign(&certificate, signer).unwrap()
}

fn apply(daemon: &Daemon, manifest: &str) {
    let file = daemon.file("service.yaml", manifest);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn settles(daemon: &Daemon, name: &str) {
    daemon.until_state(name, "healthy", SOON);
    daemon.until("it settled", SOON, || {
        let services = daemon.json(&["get", "services"]);
        let all = services["services"].as_array().unwrap();
        let key = format!("default/{name}");
        let settled = |one: &Value| one["service"] == key && one["settled"] == true;
        all.iter().any(settled).then_some(())
    });
}

fn breaks(daemon: &Daemon, name: &str) {
    apply(
        daemon,
        &hello(name, 1, 3, "").replace("httpd, -f", "httpd, --no-such-option, -f"),
    );
}

/// The newest proposal in one of these states.
fn proposal(daemon: &Daemon, states: &[&str], but: Option<&str>) -> Value {
    daemon.until(
        &format!("a proposal is {states:?}"),
        Duration::from_secs(120),
        || {
            let proposals = daemon.json(&["proposals"]);
            let all = proposals["proposals"].as_array().unwrap().clone();
            all.into_iter().find(|one| {
                states.contains(&one["state"].as_str().unwrap()) && one["id"].as_str() != but
            })
        },
    )
}

#[test]
fn what_was_certified_heals_alone_and_one_line_of_its_prompt_ends_that() {
    if !can_run_containers() {
        return;
    }
    let signer = Signer::generate("night-shift").unwrap();
    let config = json!({ "evaluators": [signer.public_key()] });
    let daemon = Daemon::start_configured(&config.to_string(), "");
    import_busybox(&daemon);
    for name in ["one", "two"] {
        apply(&daemon, &hello(name, 1, 3, ""));
        settles(&daemon, name);
    }
    let make = daemon.until("what runs is known", SOON, || {
        serde_json::from_value::<Make>(healer(&daemon)["status"]["make"].clone()).ok()
    });
    let stranger = certify(make.clone(), &Signer::generate("stranger").unwrap());
    let file = daemon.file("certificate", &stranger);
    let promote = [
        "agents",
        "promote",
        "healer",
        "--certificate",
        file.to_str().unwrap(),
    ];
    let refused = daemon.try_cli(&promote);
    assert!(!refused.status.success() && standing(&daemon) == "not_promoted");
    daemon.file("certificate", &certify(make, &signer));
    daemon.cli(&promote);
    assert_eq!(standing(&daemon), "alone");

    breaks(&daemon, "one");
    let healed = proposal(&daemon, &["verified"], None);
    assert_eq!(healed["approval"], Value::Null, "{healed}");
    settles(&daemon, "one");
    let audit = daemon.json(&["audit", "list", "--tool", "rollback_service"]);
    let leaves = audit["entries"].as_array().unwrap();
    let alone = |leaf: &&Value| leaf["policies"] == json!(["healer-acts-alone"]);
    assert_eq!(leaves.iter().filter(alone).count(), 1, "{audit}");
    daemon.until("its record says so", SOON, || {
        (healer(&daemon)["record"]["verified"] == 1).then_some(())
    });

    daemon.file(
        "prompt.md",
        &format!("{}\nBe bold.\n", ostler_agents::healer::PROMPT),
    );
    let agents = json!({ "healer": { "planner": ["rules"], "prompt": "prompt.md" } });
    let config = json!({ "evaluators": [signer.public_key()], "agents": agents });
    daemon.file("config.yaml", &config.to_string());
    kill(Pid::from_raw(daemon.pid()), Signal::SIGHUP).unwrap();
    daemon.until("the certificate is void", SOON, || {
        (standing(&daemon) == "changed").then_some(())
    });
    let told = daemon.cli(&["agents", "describe", "healer"]);
    assert!(
        told.contains("not what was certified any more (prompt)"),
        "{told}"
    );

    daemon.until("who came after it is heard", SOON, || {
        let logs = daemon.cli(&["agents", "logs", "healer"]);
        (logs.matches("looking after what was open").count() == 2).then_some(())
    });
    breaks(&daemon, "two");
    let asked = proposal(&daemon, &["waiting"], healed["id"].as_str());
    assert!(asked["approval"].is_string(), "{asked}");
    daemon.cli(&["audit", "verify"]);
}

/// An agent that asks a model: what its certificate is of comes from the same file that the daemon reads,
/// by the code with which `ostler eval run --config` reads it.
#[test]
fn an_agent_that_asks_a_model_acts_alone_on_a_certificate_of_its_configuration() {
    if !can_run_containers() {
        return;
    }
    let signer = Signer::generate("night-shift").unwrap();
    let config = |model: &str| {
        let models = json!({ "small": {}, "large": {} });
        // Nobody listens there: the rules take over, and it stays the agent that it is.
        let local = json!({ "protocol": "ollama", "url": "http://127.0.0.1:9", "models": models });
        let healer =
            json!({ "planner": [model, "rules"], "prompt": "prompt.md", "turn": { "rounds": 7 } });
        json!({
            "evaluators": [signer.public_key()], "endpoints": { "local": local }, "agents": { "healer": healer },
        })
    };
    let told = format!("{}\nBe brief.\n", ostler_agents::healer::PROMPT);
    let daemon = Daemon::start_written(true, |folder| {
        std::fs::write(folder.join("prompt.md"), &told).unwrap();
        config("local:small").to_string()
    });
    let file = daemon.file("config.yaml", &config("local:small").to_string());
    let planning = Planning::read(&file).unwrap();
    let settings = planning.settings(&"healer".parse().unwrap());
    let make = make::of(&ostler_agents::registry()[0], &settings).unwrap();
    let certificate = daemon.file("certificate", &certify(make, &signer));
    daemon.until("what runs is known", SOON, || {
        let make = &healer(&daemon)["status"]["make"];
        (make["planner"] == json!(["local:small", "rules"])).then_some(())
    });
    let certificate = certificate.to_str().unwrap();
    daemon.cli(&["agents", "promote", "healer", "--certificate", certificate]);
    assert_eq!(standing(&daemon), "alone");

    let reload = |what: &str, wanted: &str| {
        kill(Pid::from_raw(daemon.pid()), Signal::SIGHUP).unwrap();
        daemon.until(what, SOON, || (standing(&daemon) == wanted).then_some(()));
    };
    daemon.file("config.yaml", &config("local:large").to_string());
    reload("another model is another agent", "changed");
    daemon.file("config.yaml", &config("local:small").to_string());
    reload("the same model is the same agent", "alone");
    daemon.file("prompt.md", &told.replace("brief", "bold"));
    reload("one line of the prompt is another agent", "changed");
}
