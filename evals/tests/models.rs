//! The shipped healer with models before its rules: over real protocols, a scripted server behind them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use ostler_agents_llm::{
    line::Line,
    settings::{ModelChoice, Protocol, Settings, TurnLimits},
};
use ostler_evals::{Models, bundle, judge, replay};
use ostler_fake_llm::{Asked, Brain, FakeLlm, Reply, script};
use serde_json::{Value, json};

/// A scripted server on a socket, and the way to it.
struct Stage {
    fake: FakeLlm,
    models: Models,
    _folder: tempfile::TempDir,
}

fn choice(protocol: Protocol, stream: bool) -> ModelChoice {
    let endpoint = match protocol {
        Protocol::Openai => "openai",
        Protocol::Ollama => "local",
    };
    ModelChoice {
        endpoint: endpoint.to_owned(),
        protocol,
        model: "scripted".to_owned(),
        stream,
    }
}

fn stage(choices: Vec<ModelChoice>, brain: Brain) -> Stage {
    // Another test of this process may have been first.
    let _first = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("broker.sock");
    let fake = FakeLlm::unix(&socket, brain).unwrap();
    let settings = Settings {
        models: choices,
        limits: TurnLimits::default(),
        prompt: None,
    };
    let models = Models {
        line: Line::new(socket),
        seed: 7,
        settings: Some(settings),
        shadow: None,
    };
    Stage {
        fake,
        models,
        _folder: folder,
    }
}

fn read(name: &str) -> bundle::Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents");
    bundle::read(&folder.join(name)).unwrap()
}

/// Ids of calls that stand in a text.
fn calls_in(text: &str) -> Vec<String> {
    let pieces = text.split("\"call\":\"").skip(1);
    pieces
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// What a good model would answer for a bundle: its truth, citing calls that were really made.
fn answer(bundle: &bundle::Bundle, call: &str, arguments: &Value) -> Value {
    let bundle::Truth::Faulty {
        cause,
        culprit,
        tool,
        ..
    } = &bundle.truth
    else {
        panic!("`{}` has no fault", bundle.name);
    };
    json!({
        "verdict": "proposal",
        "explanation": "as the situation shows",
        "cause": {
            "kind": cause, "culprit": culprit, "confidence": 0.9,
            "evidence": [{ "claim": "its instances end again and again", "call": call }],
        },
        "proposal": {
            "title": "Mend it", "expected": "it is well again", "verify_service": culprit,
            "verify_hold_seconds": 15, "verify_within_seconds": 180,
            "calls": [{ "tool": tool, "arguments_json": arguments.to_string(), "reason": "it mends it" }],
        },
        "alternatives": ["it crashes by itself: less likely"],
        "call_person": false,
    })
}

/// Looks at the culprit and one log, then answers the truth.
fn good_model(bundle: bundle::Bundle, arguments: Value) -> Brain {
    Arc::new(move |asked: &Asked| {
        let messages = asked.messages();
        let results: Vec<_> = messages.iter().filter(|(role, _)| role == "tool").collect();
        if results.is_empty() {
            let culprit = arguments["service"].clone();
            let uses = vec![
                ("get_service".to_owned(), json!({ "service": culprit })),
                (
                    "read_logs".to_owned(),
                    json!({ "instance": "cart-2", "tail": 10 }),
                ),
            ];
            return Reply::Use(uses);
        }
        let call = calls_in(&results[0].1)[0].clone();
        Reply::Say(answer(&bundle, &call, &arguments).to_string())
    })
}

fn said(seen: &replay::Seen) -> Vec<String> {
    let entries = seen
        .incidents
        .iter()
        .flat_map(|incident| &incident.timeline);
    entries.map(|entry| entry.what.clone()).collect()
}

/// What the incident says of who planned.
fn planned(seen: &replay::Seen) -> String {
    let said = said(seen);
    let mut planned = said.iter().filter(|words| words.starts_with("planned by "));
    planned
        .next()
        .unwrap_or_else(|| panic!("{said:#?}"))
        .clone()
}

async fn heals(protocol: Protocol, stream: bool, name: &str, arguments: Value) {
    let bundle = read(name);
    let stage = stage(
        vec![choice(protocol, stream)],
        good_model(bundle.clone(), arguments),
    );
    let seen = replay::replay(&bundle, Some(stage.models.clone()))
        .await
        .unwrap();
    let verdict = judge::judge(&bundle, &seen);
    assert_eq!(verdict.wrong, Vec::<String>::new(), "{:#?}", said(&seen));
    let planned = planned(&seen);
    assert!(planned.contains(":scripted with prompt "), "{planned}");
    assert!(planned.contains("; 2 rounds, "), "{planned}");
    let asked = stage.fake.asked();
    assert_eq!(asked.len(), 2);
    // What stands first is the same in every request, so that providers can cache it.
    assert_eq!(asked[0].messages()[0], asked[1].messages()[0]);
    assert_eq!(asked[0].body["tools"], asked[1].body["tools"]);
    assert!(asked[0].tools().contains(&"query_signals".to_owned()));
    assert!(
        !asked[0].tools().contains(&"rollback_service".to_owned()),
        "models only look"
    );
    assert!(seen.called.contains(&"read_logs".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_streaming_openai_server_heals_a_bad_change() {
    let arguments = json!({ "service": "shop/cart", "generation": 3 });
    heals(Protocol::Openai, true, "bad-change-crash-loop", arguments).await;
}

#[tokio::test(start_paused = true)]
async fn an_openai_server_that_answers_whole_heals_a_bad_change() {
    let arguments = json!({ "service": "shop/cart", "generation": 3 });
    heals(Protocol::Openai, false, "bad-change-crash-loop", arguments).await;
}

#[tokio::test(start_paused = true)]
async fn an_ollama_server_heals_a_bad_change() {
    let arguments = json!({ "service": "shop/cart", "generation": 3 });
    heals(Protocol::Ollama, false, "bad-change-crash-loop", arguments).await;
}

/// Looks at the culprit, then names the truth and asks for what the rules asked for.
fn truthful(bundle: &bundle::Bundle, rules: &replay::Seen) -> Brain {
    let bundle::Truth::Faulty { cause, culprit, .. } = bundle.truth.clone() else {
        panic!("`{}` has no fault", bundle.name);
    };
    let proposed = rules.proposals.first().map(|proposal| {
        let body = &proposal.body;
        let calls = body.calls.iter().map(|call| {
            let arguments = Value::Object(call.arguments.clone()).to_string();
            json!({ "tool": call.tool, "arguments_json": arguments, "reason": "it mends it" })
        });
        json!({
            "title": "Mend it", "expected": "it is well again", "verify_service": body.verify.service,
            "verify_hold_seconds": 15, "verify_within_seconds": 180, "calls": calls.collect::<Vec<_>>(),
        })
    });
    Arc::new(move |asked: &Asked| {
        let messages = asked.messages();
        let Some((_, result)) = messages.iter().find(|(role, _)| role == "tool") else {
            return Reply::Use(vec![(
                "get_service".to_owned(),
                json!({ "service": culprit }),
            )]);
        };
        let cite = json!({ "claim": "as the service shows", "call": calls_in(result)[0] });
        let answer = json!({
            "verdict": if proposed.is_some() { "proposal" } else { "unresolved" },
            "explanation": "as the situation shows",
            "cause": { "kind": cause, "culprit": culprit, "confidence": 0.9, "evidence": [cite] },
            "proposal": proposed, "alternatives": [], "call_person": proposed.is_none(),
        });
        Reply::Say(answer.to_string())
    })
}

#[tokio::test(start_paused = true)]
async fn every_cause_is_found_over_both_protocols() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents");
    let mut causes = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let bundle = bundle::read(&entry.unwrap().path()).unwrap();
        let bundle::Truth::Faulty { cause, .. } = bundle.truth else {
            continue;
        };
        let rules = replay::replay(&bundle, None).await.unwrap();
        for (protocol, stream) in [(Protocol::Openai, true), (Protocol::Ollama, false)] {
            let choices = vec![choice(protocol, stream)];
            let stage = stage(choices, truthful(&bundle, &rules));
            let models = Some(stage.models.clone());
            let seen = replay::replay(&bundle, models).await.unwrap();
            let (wrong, said) = (judge::judge(&bundle, &seen).wrong, said(&seen));
            assert_eq!(wrong, Vec::<String>::new(), "{}: {said:#?}", bundle.name);
            let planned = planned(&seen);
            assert!(planned.contains(":scripted with prompt "), "{planned}");
        }
        causes.insert(cause);
    }
    assert!(causes.len() >= 10, "{causes:?}");
}

/// Every trouble that a server can make, in the middle of a turn: the rules take the turn over.
#[tokio::test(start_paused = true)]
async fn with_the_model_gone_mid_turn_the_rules_finish_and_the_incident_says_so() {
    let look = || Reply::Use(vec![("list_services".to_owned(), json!({}))]);
    let troubles: [(&str, Vec<Reply>); 7] = [
        (
            "not available",
            vec![look(), Reply::Hangup("I think that ".repeat(20))],
        ),
        ("not available", vec![look(), Reply::Break(500)]),
        ("not available", vec![look(), Reply::TooMany(Some(1))]),
        (
            "cannot be read",
            vec![look(), Reply::Garble("{\"choices\": [{\"mess".to_owned())],
        ),
        (
            "stayed unacceptable after 2 repairs",
            vec![
                look(),
                Reply::Say("All good!".into()),
                Reply::Say("{}".into()),
                Reply::Say("[]".into()),
            ],
        ),
        ("it refused the request", vec![look(), Reply::Break(400)]),
        ("rounds are used up", (0..20).map(|_| look()).collect()),
    ];
    for protocol in [Protocol::Openai, Protocol::Ollama] {
        for (why, replies) in &troubles {
            if protocol == Protocol::Ollama && why.contains("refused") {
                // Ollama's clients are told no status but by the broker, which is not here.
                continue;
            }
            let bundle = read("bad-change-crash-loop");
            let stage = stage(vec![choice(protocol, false)], script(replies.clone()));
            let seen = replay::replay(&bundle, Some(stage.models.clone()))
                .await
                .unwrap();
            let wrong = judge::judge(&bundle, &seen).wrong;
            let said = said(&seen);
            assert_eq!(wrong, Vec::<String>::new(), "{protocol:?} {why}: {said:#?}");
            let planned = planned(&seen);
            assert!(
                planned.starts_with("planned by rules with prompt "),
                "{planned}"
            );
            assert!(
                planned.contains("passed over") && planned.contains(why),
                "{why}: {planned}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_model_of_the_chain_is_asked_before_the_rules() {
    let bundle = read("bad-change-crash-loop");
    let good = good_model(
        bundle.clone(),
        json!({ "service": "shop/cart", "generation": 3 }),
    );
    let brain: Brain = Arc::new(move |asked| {
        if asked.path.contains("/openai/") {
            return Reply::Break(503);
        }
        good(asked)
    });
    let chain = vec![
        choice(Protocol::Openai, true),
        choice(Protocol::Ollama, false),
    ];
    let stage = stage(chain, brain);
    let seen = replay::replay(&bundle, Some(stage.models.clone()))
        .await
        .unwrap();
    let planned = planned(&seen);
    assert_eq!(judge::judge(&bundle, &seen).wrong, Vec::<String>::new());
    assert!(
        planned.starts_with("planned by local:scripted"),
        "{planned}"
    );
    assert!(
        planned.contains("passed over openai:scripted (it is not available"),
        "{planned}"
    );
}

#[tokio::test(start_paused = true)]
async fn made_up_evidence_and_forbidden_tools_are_sent_back_and_then_mended() {
    let bundle = read("bad-change-crash-loop");
    let truth = bundle.clone();
    let brain: Brain = Arc::new(move |asked| {
        let arguments = json!({ "service": "shop/cart", "generation": 3 });
        let real = calls_in(&asked.whole_text())[0].clone();
        let repairs = asked
            .whole_text()
            .matches("That answer cannot be used")
            .count();
        let mut answer = answer(&truth, &real, &arguments);
        match repairs {
            0 => {
                answer["cause"]["evidence"][0]["call"] = "call_madeup".into();
                answer["proposal"]["calls"][0]["tool"] = "delete_service".into();
            }
            1 => {
                let elsewhere = json!({ "service": "shop/store", "generation": 1, "force": true });
                answer["proposal"]["calls"][0]["arguments_json"] = elsewhere.to_string().into();
            }
            _ => {}
        }
        Reply::Say(answer.to_string())
    });
    let stage = stage(vec![choice(Protocol::Openai, true)], brain);
    let seen = replay::replay(&bundle, Some(stage.models.clone()))
        .await
        .unwrap();
    assert_eq!(
        judge::judge(&bundle, &seen).wrong,
        Vec::<String>::new(),
        "{:#?}",
        said(&seen)
    );
    let asked = stage.fake.asked();
    assert_eq!(asked.len(), 3);
    let first = asked[1].whole_text();
    assert!(
        first.contains("cites `call_madeup`, a call that was not made"),
        "{first}"
    );
    assert!(
        first.contains("`delete_service` may not be proposed"),
        "{first}"
    );
    let second = asked[2].whole_text();
    assert!(second.contains("would touch `shop/store`"), "{second}");
    assert!(second.contains("takes no argument `force`"), "{second}");
}

/// With a model that is always down, every incident is judged as by the rules alone.
#[tokio::test(start_paused = true)]
async fn a_dead_model_changes_no_verdict() {
    let stage = stage(
        vec![choice(Protocol::Openai, true)],
        Arc::new(|_| Reply::Break(500)),
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents");
    let report = ostler_evals::run_with(&folder, Some(&stage.models))
        .await
        .unwrap();
    assert!(report.passed(), "\n{report}");
    assert!(!stage.fake.asked().is_empty());
}

/// A stuck model costs its time, no more.
#[tokio::test]
async fn a_stuck_model_is_left_after_its_time() {
    let bundle = read("bad-change-crash-loop");
    let mut stage = stage(
        vec![choice(Protocol::Openai, true)],
        Arc::new(|_| Reply::Stall),
    );
    if let Some(settings) = &mut stage.models.settings {
        settings.limits.seconds = 1;
    }
    let mut replay = replay::Replay::new(&bundle)
        .unwrap()
        .with_models(Some(stage.models.clone()));
    replay.start();
    for _ in 0..600 {
        if !replay.seen().proposals.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let said = said(&replay.seen());
    assert!(
        said.iter()
            .any(|words| words.contains("no verdict within 1 s")),
        "{said:#?}"
    );
    assert_eq!(replay.seen().proposals.len(), 1);
}
