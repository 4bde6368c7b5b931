//! The broker between an agent's socket and a scripted provider: keys, allow-list, budgets,
//! redaction, waiting, recordings.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use ostler_broker::{
    Admit, BUDGET_CODE, Before, Broker, Kept, Meter, Outcome, Parts, Redactor, Secrets, Spending,
    budget::Cost,
    config::{
        AgentConfig, BudgetConfig, Config, EndpointConfig, KeySource, LimitConfig, Price, Protocol,
        Recording, TurnConfig,
    },
    serve,
};
use ostler_fake_llm::{Brain, FakeLlm, Reply, script};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const KEY: &str = "sk-test-0123456789abcdef";

#[derive(Default)]
struct Heard(Mutex<Vec<(Outcome, u64, u64)>>);

impl Meter for Heard {
    fn spent(&self, spending: &Spending<'_>) {
        let one = (spending.outcome, spending.tokens, spending.nano);
        self.0.lock().unwrap().push(one);
    }
}

struct OneSecret;

impl Secrets for OneSecret {
    fn redactor(&self) -> Arc<Redactor> {
        Arc::new(Redactor::new([&b"tr0ub4dor&3"[..]]))
    }
}

struct Stage {
    fake: FakeLlm,
    broker: Arc<Broker>,
    heard: Arc<Heard>,
    client: reqwest::Client,
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn config(url: &str, key: Option<KeySource>) -> Config {
    let endpoint = |protocol, key| EndpointConfig {
        protocol,
        url: url.to_owned(),
        key,
        models: BTreeMap::from([
            (
                "small".to_owned(),
                Price {
                    input: 1.0,
                    output: 10.0,
                },
            ),
            (
                "large".to_owned(),
                Price {
                    input: 10.0,
                    output: 100.0,
                },
            ),
        ]),
        stream: true,
    };
    let agent = |planner: &str| AgentConfig {
        planner: vec![
            planner.to_owned(),
            "local:small".to_owned(),
            "rules".to_owned(),
        ],
        turn: TurnConfig::default(),
        budget: BudgetConfig::default(),
    };
    Config {
        endpoints: BTreeMap::from([
            ("openai".to_owned(), endpoint(Protocol::Openai, key)),
            ("local".to_owned(), endpoint(Protocol::Ollama, None)),
        ]),
        agents: BTreeMap::from([
            ("healer".to_owned(), agent("openai:small")),
            ("other".to_owned(), agent("openai:large")),
        ]),
        recording: Recording::Off,
    }
}

async fn stage_with(brain: Brain, admit: Admit, change: impl FnOnce(&mut Config, &Path)) -> Stage {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let fake = FakeLlm::tcp(brain).await.unwrap();
    let heard = Arc::new(Heard::default());
    let mut config = config(&fake.url(), Some(KeySource::File(key)));
    change(&mut config, folder.path());
    let broker = Broker::open(Parts {
        config,
        settings: BTreeMap::from([("healer".to_owned(), json!({ "models": [] }))]),
        secrets: Arc::new(OneSecret),
        meter: Arc::clone(&heard) as Arc<dyn Meter>,
        before: Before::Kept(Kept::new()),
    })
    .unwrap();
    let socket = folder.path().join("healer.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let stop = CancellationToken::new();
    let (serving, stopping) = (Arc::clone(&broker), stop.clone());
    tokio::spawn(async move { serve(serving, "healer", listener, admit, stopping).await });
    let client = reqwest::Client::builder()
        .unix_socket(socket)
        .no_proxy()
        .build()
        .unwrap();
    Stage {
        fake,
        broker,
        heard,
        client,
        stop,
        folder,
    }
}

async fn stage(brain: Brain) -> Stage {
    stage_with(brain, Arc::new(|_| true), |_, _| ()).await
}

fn chat(model: &str, text: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }], "max_completion_tokens": 100 })
}

async fn ask(stage: &Stage, path: &str, body: &Value) -> (u16, String) {
    let sent = stage
        .client
        .post(format!("http://broker/endpoints/{path}"))
        .header("content-type", "application/json")
        .header("authorization", "Bearer the-agents-own")
        .header("x-ostler-turn", "t1")
        .header("x-ostler-subject", "shop/cart")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    (sent.status().as_u16(), sent.text().await.unwrap())
}

const OPENAI: &str = "openai/chat/completions";

#[tokio::test]
async fn the_key_is_added_here_and_nothing_else_of_the_agents_goes_along() {
    let stage = stage(script(vec![Reply::Cost("hello".into(), 7, 3)])).await;
    let (status, body) = ask(&stage, OPENAI, &chat("small", "hi")).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("hello") && !body.contains(KEY));
    let asked = stage.fake.asked();
    assert_eq!(
        asked[0].header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(asked[0].header("x-ostler-turn"), None);
    assert_eq!(asked[0].path, "/chat/completions");
    // 7 tokens in at 1 a million, 3 out at 10.
    assert_eq!(
        *stage.heard.0.lock().unwrap(),
        [(Outcome::Answered, 10, 37_000)]
    );
    let hour = stage.broker.in_hour("healer").unwrap();
    assert_eq!((hour.tokens, hour.nano), (10, 37_000));
    assert!(hour.ms < 60_000, "what it took, not what it might have");
    assert_eq!(stage.broker.in_hour("other"), Some(Cost::default()));
}

#[tokio::test]
async fn only_the_agents_own_models_may_be_asked() {
    let stage = stage(Arc::new(|_| Reply::Say("no".into()))).await;
    for (path, model) in [
        (OPENAI, "large"),
        (OPENAI, "gpt"),
        ("elsewhere/chat/completions", "small"),
    ] {
        let (status, body) = ask(&stage, path, &chat(model, "hi")).await;
        assert_eq!(status, 403, "{path} {model} {body}");
        assert!(body.contains("may not ask"), "{body}");
    }
    let (status, _) = ask(&stage, "local/chat/completions", &chat("small", "hi")).await;
    assert_eq!(status, 400);
    let (status, _) = ask(&stage, "openai/files", &chat("small", "hi")).await;
    assert_eq!(status, 404);
    assert!(
        stage.fake.asked().is_empty(),
        "nothing reached the provider"
    );
}

#[tokio::test]
async fn secrets_do_not_reach_the_provider() {
    let stage = stage(Arc::new(|_| Reply::Say("fine".into()))).await;
    let text = "the password is tr0ub4dor&3, and Authorization: Bearer abcdefghijklmnop";
    let mut body = chat("small", text);
    body["tools"] =
        json!([{ "type": "function", "function": { "name": "x", "description": "tr0ub4dor&3" } }]);
    ask(&stage, OPENAI, &body).await;
    let seen = stage.fake.asked()[0].body.to_string();
    assert!(
        !seen.contains("tr0ub4dor&3") && !seen.contains("abcdefghijklmnop"),
        "{seen}"
    );
    assert!(seen.contains("the password is [redacted]"), "{seen}");
}

#[tokio::test]
async fn a_budget_is_never_exceeded_and_the_refusal_says_which() {
    let limit = |tokens| LimitConfig {
        seconds: None,
        tokens,
        money: None,
    };
    let budget = BudgetConfig {
        turn: limit(2_000),
        hour: limit(100_000),
        incident: limit(100_000),
    };
    let stage = stage_with(
        Arc::new(|_| Reply::Cost("x".into(), 400, 100)),
        Arc::new(|_| true),
        |config, _| {
            for agent in config.agents.values_mut() {
                agent.budget = budget;
            }
        },
    )
    .await;
    let mut answered = 0;
    let refusal = loop {
        let (status, body) = ask(&stage, OPENAI, &chat("small", "hi")).await;
        if status != 200 {
            break (status, body);
        }
        answered += 1;
    };
    assert_eq!(answered, 4);
    assert_eq!(refusal.0, 402);
    assert!(
        refusal.1.contains(BUDGET_CODE) && refusal.1.contains("this turn"),
        "{}",
        refusal.1
    );
    assert_eq!(stage.fake.asked().len(), 4);
    let ollama = json!({ "model": "small", "messages": [{ "role": "user", "content": "x".repeat(2_000) }], "stream": false });
    let (status, body) = ask(&stage, "local/api/chat", &ollama).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["code"], &body["status"]),
        (402, &json!(BUDGET_CODE), &json!(402))
    );
    assert!(
        stage
            .heard
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|(outcome, ..)| *outcome == Outcome::OverBudget)
    );
}

#[tokio::test]
async fn what_nobody_counted_or_heard_to_its_end_costs_its_worst_case() {
    let replies = vec![
        Reply::SayUncounted("x".into()),
        Reply::Hangup("x".repeat(500)),
    ];
    let stage = stage(script(replies)).await;
    let (status, _) = ask(&stage, OPENAI, &chat("small", "hi")).await;
    assert_eq!(status, 200);
    let worst = stage.broker.in_hour("healer").unwrap();
    assert!(worst.tokens > 100 && worst.tokens < 400, "{worst:?}");
    let sent = stage
        .client
        .post(format!("http://broker/endpoints/{OPENAI}"))
        .body(chat("small", "hi").to_string());
    assert!(
        sent.send().await.unwrap().bytes().await.is_err(),
        "the break is passed on"
    );
    assert_eq!(
        stage.broker.in_hour("healer").unwrap().tokens,
        worst.tokens * 2
    );
    assert_eq!(stage.heard.0.lock().unwrap()[1].0, Outcome::Interrupted);
}

#[tokio::test]
async fn an_agent_that_hangs_up_ends_the_request_and_pays_its_worst_case() {
    let stage = stage(Arc::new(|_| Reply::Stall)).await;
    let sent = stage
        .client
        .post(format!("http://broker/endpoints/{OPENAI}"))
        .body(chat("small", "hi").to_string());
    let begun = sent.send().await.unwrap();
    let promised = stage.broker.in_hour("healer").unwrap();
    assert!(promised.tokens > 100);
    drop(begun);
    while stage.heard.0.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let heard = stage.heard.0.lock().unwrap()[0];
    assert_eq!(
        heard,
        (Outcome::Interrupted, promised.tokens, promised.nano)
    );
    let paid = stage.broker.in_hour("healer").unwrap();
    assert_eq!((paid.tokens, paid.nano), (promised.tokens, promised.nano));
    assert!(paid.ms < promised.ms, "the time that it took is known");
}

#[tokio::test]
async fn a_provider_that_is_late_is_heard_of_once_and_costs_the_worst_case() {
    // Asked to wait longer than the turn lasts.
    let patience = TurnConfig {
        seconds: 1,
        ..TurnConfig::default()
    };
    let brain: Brain = Arc::new(|_| Reply::TooMany(Some(5)));
    let stage = stage_with(brain, Arc::new(|_| true), |config, _| {
        for agent in config.agents.values_mut() {
            agent.turn = patience;
        }
    })
    .await;
    let (status, body) = ask(&stage, OPENAI, &chat("small", "hi")).await;
    assert_eq!(status, 504, "{body}");
    let paid = stage.broker.in_hour("healer").unwrap();
    assert!(paid.tokens > 100);
    assert_eq!(
        *stage.heard.0.lock().unwrap(),
        [(Outcome::Failed, paid.tokens, paid.nano)]
    );
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_and_one_that_asks_for_an_hour_is_left_alone() {
    let replies = vec![
        Reply::TooMany(Some(0)),
        Reply::Break(503),
        Reply::Say("at last".into()),
        Reply::TooMany(Some(3_600)),
    ];
    let stage = stage(script(replies)).await;
    let (status, body) = ask(&stage, OPENAI, &chat("small", "hi")).await;
    assert_eq!(status, 200);
    assert!(body.contains("at last"));
    assert_eq!(stage.fake.asked().len(), 3);
    let (status, _) = ask(&stage, OPENAI, &chat("small", "hi")).await;
    assert_eq!(status, 429);
    let (status, body) = ask(&stage, OPENAI, &chat("small", "hi")).await;
    assert_eq!((status, stage.fake.asked().len()), (503, 4), "{body}");
    assert!(body.contains("left alone"), "{body}");
}

#[tokio::test]
async fn a_providers_error_is_passed_on_without_the_key() {
    let body = format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {KEY}\"}}}}");
    // The fake's own errors say nothing of keys: a garbled success would; so break with its words.
    let stage = stage(script(vec![Reply::Break(401), Reply::Garble(body)])).await;
    let (status, body) = ask(&stage, OPENAI, &chat("small", "hi")).await;
    assert_eq!(status, 401);
    assert!(
        body.contains("the provider answers: the server had an error"),
        "{body}"
    );
}

#[tokio::test]
async fn what_was_recorded_is_replayed_exactly_without_a_provider_and_nothing_else_is() {
    let brain: Brain = Arc::new(|asked| Reply::Say(format!("you said {}", asked.whole_text())));
    let first = stage_with(brain, Arc::new(|_| true), |config, folder| {
        config.recording = Recording::Record(folder.join("cassette"));
    })
    .await;
    let mut streamed = chat("small", "with tr0ub4dor&3 in it");
    streamed["stream"] = true.into();
    let ollama = json!({ "model": "small", "messages": [{ "role": "user", "content": "hi" }], "stream": false });
    let requests = [
        (OPENAI, chat("small", "one")),
        (OPENAI, streamed),
        ("local/api/chat", ollama),
    ];
    let mut answers = Vec::new();
    for (path, body) in &requests {
        answers.push(ask(&first, path, body).await);
    }
    let cost = |broker: &Broker| {
        broker
            .in_hour("healer")
            .map(|cost| (cost.tokens, cost.nano))
    };
    let spent = cost(&first.broker);
    let kept: Vec<_> = std::fs::read_dir(first.folder.path().join("cassette"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 3);
    for path in &kept {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.contains("tr0ub4dor") && !text.contains(KEY), "{text}");
    }

    let kept = first.folder.path().join("cassette");
    let second = stage_with(script(vec![]), Arc::new(|_| true), |config, _| {
        config.recording = Recording::Replay(kept);
    })
    .await;
    for ((path, body), answer) in requests.iter().zip(&answers) {
        assert_eq!(&ask(&second, path, body).await, answer);
    }
    let (status, body) = ask(&second, OPENAI, &chat("small", "something new")).await;
    assert_eq!(status, 404);
    assert!(body.contains("ostler_not_recorded"), "{body}");
    assert!(second.fake.asked().is_empty(), "nobody was asked");
    assert_eq!(cost(&second.broker), spent);
}

#[tokio::test]
async fn who_is_not_the_agent_is_turned_away() {
    let stage = stage_with(
        Arc::new(|_| Reply::Say("no".into())),
        Arc::new(|peer| peer.pid() == Some(1)),
        |_, _| (),
    )
    .await;
    let sent = stage
        .client
        .post(format!("http://broker/endpoints/{OPENAI}"))
        .body(chat("small", "hi").to_string())
        .send()
        .await;
    assert!(sent.is_err());
    assert!(stage.fake.asked().is_empty());
}

#[tokio::test]
async fn an_agent_is_told_its_own_settings() {
    let stage = stage(script(vec![])).await;
    let told = stage
        .client
        .get("http://broker/settings")
        .send()
        .await
        .unwrap();
    assert_eq!(told.text().await.unwrap(), r#"{"models":[]}"#);
}

#[test]
fn a_key_that_is_not_there_is_named() {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let source = KeySource::Env("OSTLER_TEST_NO_SUCH_KEY".to_owned());
    let config = config("http://127.0.0.1:9/v1", Some(source));
    let opened = Broker::open(Parts {
        config,
        settings: BTreeMap::new(),
        secrets: Arc::new(()),
        meter: Arc::new(ostler_broker::NoMeter),
        before: Before::Kept(Kept::new()),
    });
    let problem = opened.err().unwrap().to_string();
    assert_eq!(
        problem,
        "`endpoints.openai.key` is not in the environment as `OSTLER_TEST_NO_SUCH_KEY`"
    );
}
