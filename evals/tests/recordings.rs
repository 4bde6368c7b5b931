//! Incidents with a model, recorded once and replayed exactly: no provider is asked the second time.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use ostler_agents_llm::{
    line::Line,
    settings::{ModelChoice, Protocol, Settings, TurnLimits},
};
use ostler_broker::{
    Broker, NoMeter, Parts,
    config::{
        AgentConfig, BudgetConfig, Config, EndpointConfig, LimitConfig, Price,
        Protocol as BrokerProtocol, Recording, TurnConfig,
    },
};
use ostler_core::incident::CauseKind;
use ostler_evals::{Models, bundle, replay};
use ostler_fake_llm::{Asked, FakeLlm, Reply};
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn config(url: &str, recording: Recording, budget: BudgetConfig) -> Config {
    let endpoint = EndpointConfig {
        protocol: BrokerProtocol::Openai,
        url: url.to_owned(),
        key: None,
        models: BTreeMap::from([("small".to_owned(), Price::default())]),
        stream: true,
    };
    let healer = AgentConfig {
        planner: vec!["scripted:small".to_owned(), "rules".to_owned()],
        turn: TurnConfig::default(),
        budget,
    };
    Config {
        endpoints: BTreeMap::from([("scripted".to_owned(), endpoint)]),
        agents: BTreeMap::from([("healer".to_owned(), healer)]),
        recording,
    }
}

/// A broker on a socket of its own, which tells its settings to whoever asks.
fn broker(config: Config, socket: &Path, stop: &CancellationToken) -> Models {
    let choice = ModelChoice {
        endpoint: "scripted".to_owned(),
        protocol: Protocol::Openai,
        model: "small".to_owned(),
        stream: true,
    };
    let settings = Settings {
        models: vec![choice],
        limits: TurnLimits::default(),
        prompt: None,
    };
    let settings = serde_json::to_value(settings).unwrap();
    let broker = Broker::open(Parts {
        config,
        settings: BTreeMap::from([("healer".to_owned(), settings)]),
        secrets: Arc::new(()),
        meter: Arc::new(NoMeter),
        before: ostler_broker::Before::Kept(ostler_broker::Kept::new()),
    });
    let (broker, stop) = (broker.unwrap(), stop.clone());
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        ostler_broker::serve(broker, "healer", listener, Arc::new(|_| true), stop).await;
    });
    Models {
        line: Line::new(socket),
        seed: 4,
        settings: None,
        shadow: None,
    }
}

/// Looks at the logs, then is not sure.
fn brain(asked: &Asked) -> Reply {
    let messages = asked.messages();
    if !messages.iter().any(|(role, _)| role == "tool") {
        return Reply::Use(vec![(
            "read_logs".to_owned(),
            json!({ "instance": "cart-2" }),
        )]);
    }
    let text = asked.whole_text();
    let call = text
        .split("\"call\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let answer = json!({
        "verdict": "unresolved", "explanation": "the log speaks of an unknown flag", "proposal": null,
        "cause": { "kind": CauseKind::BadChange, "culprit": "shop/cart", "confidence": 0.7,
                   "evidence": [{ "claim": "unknown flag", "call": call }] },
        "alternatives": [], "call_person": false,
    });
    Reply::Say(answer.to_string())
}

fn incident() -> bundle::Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents");
    bundle::read(&folder.join("bad-change-crash-loop")).unwrap()
}

fn told(seen: &replay::Seen) -> String {
    format!(
        "{:#?} {:#?} {:?}",
        seen.incidents, seen.proposals, seen.called
    )
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_is_replayed_to_the_letter() {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let _stop = stop.clone().drop_guard();
    let cassette: PathBuf = folder.path().join("cassette");
    let fake = FakeLlm::tcp(Arc::new(brain)).await.unwrap();

    let recording = config(
        &fake.url(),
        Recording::Record(cassette.clone()),
        BudgetConfig::default(),
    );
    let models = broker(recording, &folder.path().join("record.sock"), &stop);
    let first = replay::replay(&incident(), Some(models)).await.unwrap();
    let asked = fake.asked().len();
    assert!(asked >= 2);
    assert!(
        told(&first).contains("planned by scripted:small"),
        "{}",
        told(&first)
    );
    assert!(told(&first).contains("a model doubts it: the log speaks of an unknown flag"));

    let replaying = config(
        &fake.url(),
        Recording::Replay(cassette),
        BudgetConfig::default(),
    );
    let models = broker(replaying, &folder.path().join("replay.sock"), &stop);
    let second = replay::replay(&incident(), Some(models)).await.unwrap();
    assert_eq!(told(&second), told(&first));
    assert_eq!(fake.asked().len(), asked, "nobody was asked again");
}

#[tokio::test(start_paused = true)]
async fn over_budget_the_rules_plan_and_the_incident_says_why() {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let _stop = stop.clone().drop_guard();
    let fake = FakeLlm::tcp(Arc::new(brain)).await.unwrap();
    let none = LimitConfig {
        seconds: None,
        tokens: 1_000,
        money: None,
    };
    let poor = BudgetConfig {
        hour: none,
        ..BudgetConfig::default()
    };
    let models = broker(
        config(&fake.url(), Recording::Off, poor),
        &folder.path().join("s.sock"),
        &stop,
    );
    let seen = replay::replay(&incident(), Some(models)).await.unwrap();
    assert!(fake.asked().is_empty());
    let words = "planned by rules; 1 rounds";
    assert!(
        told(&seen).contains("its budget is used up") && told(&seen).contains("this hour"),
        "{}",
        told(&seen)
    );
    assert!(
        !told(&seen).contains(words),
        "a round that nobody answered is none"
    );
    assert_eq!(seen.proposals.len(), 1);
}

/// Without a broker behind the socket the rules plan, and the incident says that too.
#[tokio::test(start_paused = true)]
async fn without_a_broker_the_rules_plan() {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let models = Models {
        line: Line::new(folder.path().join("nobody.sock")),
        seed: 4,
        settings: None,
        shadow: None,
    };
    let seen = replay::replay(&incident(), Some(models)).await.unwrap();
    assert_eq!(seen.proposals.len(), 1);
    let words: Vec<_> = seen.incidents[0]
        .timeline
        .iter()
        .map(|entry| &entry.what)
        .collect();
    assert!(
        words
            .iter()
            .any(|words| words
                .starts_with("planned by rules; passed over every model (the broker: ")),
        "{words:#?}"
    );
}
