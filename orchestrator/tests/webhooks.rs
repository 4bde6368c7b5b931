//! Webhooks of the built binary: a receiver on loopback that checks signatures, fails first, and is told once
//! by whichever daemon.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Daemon, can_run_containers, get, write_secret};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

const SOON: Duration = Duration::from_secs(60);
const KEY: [u8; 32] = [7; 32];
/// Stands in the addresses of the webhooks, and must stand nowhere else.
const HIDDEN: &str = "T0-hidden-B0";

/// A post as it came in.
#[derive(Clone)]
struct Post {
    hook: String,
    id: String,
    signature: Option<String>,
    signed: String,
    body: Value,
}

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Post>>>);

/// Takes posts; the first of each hook it turns away, one with words, one by pointing elsewhere.
struct Receiver {
    port: u16,
    received: Received,
    _runtime: tokio::runtime::Runtime,
}

async fn take(
    State(received): State<Received>,
    Path((hook, hidden)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert_eq!(hidden, HIDDEN);
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let id = text("webhook-id").unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mut posts = received.0.lock().unwrap();
    let first = !posts.iter().any(|post| post.hook == hook);
    posts.push(Post {
        signed: format!("{id}.{}.{body}", text("webhook-timestamp").unwrap()),
        signature: text("webhook-signature"),
        body: serde_json::from_str(&body).unwrap(),
        hook: hook.clone(),
        id,
    });
    match (first, hook.as_str()) {
        (true, "chat") => {
            let elsewhere = [(header::LOCATION, format!("/elsewhere/{HIDDEN}"))];
            (StatusCode::TEMPORARY_REDIRECT, elsewhere).into_response()
        }
        (_, "gone") => StatusCode::GONE.into_response(),
        (true, _) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (false, _) => StatusCode::NO_CONTENT.into_response(),
    }
}

impl Receiver {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let received = Received::default();
        let app = Router::new()
            .route("/{hook}/{hidden}", post(take))
            .with_state(received.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            port,
            received,
            _runtime: runtime,
        }
    }

    fn of(&self, hook: &str) -> Vec<Post> {
        let posts = self.received.0.lock().unwrap();
        posts
            .iter()
            .filter(|post| post.hook == hook)
            .cloned()
            .collect()
    }

    /// Waits until a hook was told so many times of this.
    fn until(&self, daemon: &Daemon, hook: &str, id: &str, times: usize) -> Vec<Post> {
        daemon.until(&format!("{hook} is told {id}"), SOON, || {
            let of_id: Vec<Post> = self
                .of(hook)
                .into_iter()
                .filter(|post| post.id == id)
                .collect();
            (of_id.len() >= times).then_some(of_id)
        })
    }
}

fn start(receiver: &Receiver) -> Daemon {
    let port = receiver.port;
    Daemon::start_written(false, |dir| {
        let secret = format!("whsec_{}\n", STANDARD.encode(KEY));
        write_secret(&dir.join("webhook.secret"), &secret);
        let chat = format!("http://127.0.0.1:{port}/chat/{HIDDEN}\n");
        write_secret(&dir.join("chat.url"), &chat);
        let url = format!("http://127.0.0.1:{port}/ops/{HIDDEN}");
        let ops = json!({ "name": "ops", "url": url, "secret_file": "webhook.secret" });
        let chat = json!({ "name": "chat", "url_file": "chat.url", "format": "slack" });
        let url = format!("http://127.0.0.1:{port}/gone/{HIDDEN}");
        let gone = json!({ "name": "gone", "url": url, "format": "slack" });
        let webhooks = [ops, chat, gone];
        let notify = json!({ "console_url": "https://ostler.example.com", "webhooks": webhooks });
        json!({ "notify": notify }).to_string()
    })
}

/// Asks, as this operator over HTTP, for what needs somebody else's yes; the request's id.
fn ask(daemon: &Daemon, token: &str) -> String {
    let nodes = daemon.json(&["node", "list"]);
    let node = nodes["nodes"][0]["node"].as_str().unwrap().to_owned();
    let output: Output = Command::new(env!("CARGO_BIN_EXE_ostler"))
        .args(["node", "drain", &node])
        .args(["--server", &format!("http://127.0.0.1:{}", daemon.port())])
        .env("OSTLER_TOKEN", token)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{words}");
    let from = words.find("apr_").unwrap();
    let id = words[from..].chars();
    id.take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

/// A signature as the receiver works it out.
fn is_signed(post: &Post) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    mac.update(post.signed.as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    post.signature.as_deref() == Some(expected.as_str())
}

#[test]
fn a_request_is_told_signed_until_it_arrives_and_so_is_its_end() {
    if !can_run_containers() {
        return;
    }
    let receiver = Receiver::start();
    let daemon = start(&receiver);
    let (otto, olga) = (
        daemon.token("otto", "operator"),
        daemon.token("olga", "operator"),
    );

    let first = ask(&daemon, &otto);
    // Turned away once, so sent twice: the same under the same id, each signed.
    let posts = receiver.until(&daemon, "ops", &format!("{first}-requested"), 2);
    assert!(posts.iter().all(is_signed));
    let body = &posts[1].body;
    assert_eq!(body, &posts[0].body);
    assert_eq!(body["type"], "approval.requested");
    assert_eq!(body["data"]["requested_by"], "user:otto");
    let page = format!("https://ostler.example.com/approvals/{first}");
    assert_eq!(body["data"]["url"], json!(page));
    let chat = receiver.until(&daemon, "chat", &format!("{first}-requested"), 2);
    let text = chat[1].body.to_string();
    assert!(
        text.contains("mrkdwn") && text.contains(&format!("<{page}|")),
        "{text}"
    );
    assert!(
        receiver.of("elsewhere").is_empty(),
        "nobody is followed elsewhere"
    );

    daemon.cli(&["reject", &first, "--reason", "a private word"]);
    let told = receiver.until(&daemon, "ops", &format!("{first}-rejected"), 1);
    assert!(
        !told[0].body.to_string().contains("private"),
        "{}",
        told[0].body
    );
    let second = ask(&daemon, &olga);
    daemon.cli(&["approve", &second]);
    let told = receiver.until(&daemon, "ops", &format!("{second}-approved"), 1);
    assert_eq!(told[0].body["data"]["decided_by"], "user:root");

    // Who wants no more of it is not asked again.
    let gone = receiver.until(&daemon, "gone", &format!("{second}-approved"), 1);
    let once = |id: String| {
        receiver
            .of("gone")
            .iter()
            .filter(|post| post.id == id)
            .count()
            == 1
    };
    assert!(gone[0].signature.is_none() && once(format!("{first}-requested")));

    let metrics = get(daemon.port(), "/metrics").unwrap();
    for counted in [
        "ostler_webhook_posts_total{webhook=\"ops\",outcome=\"delivered\"}",
        "ostler_webhook_posts_total{webhook=\"chat\",outcome=\"failed\"} 1",
        "ostler_webhook_posts_total{webhook=\"gone\",outcome=\"given_up\"}",
    ] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
    let log = daemon.log();
    assert!(log.contains("a webhook could not be told"), "{log}");
    for shown in [
        &metrics,
        &log,
        &daemon.cli(&["audit", "list", "--output", "json"]),
    ] {
        assert!(!shown.contains(HIDDEN), "{shown}");
    }
}

#[test]
fn the_next_daemon_tells_what_was_not_told_and_nothing_twice() {
    if !can_run_containers() {
        return;
    }
    let receiver = Receiver::start();
    let mut daemon = start(&receiver);
    let (otto, olga) = (
        daemon.token("otto", "operator"),
        daemon.token("olga", "operator"),
    );
    let first = format!("{}-requested", ask(&daemon, &otto));
    receiver.until(&daemon, "ops", &first, 2);
    let book = daemon.state().join("notify/ops.json");
    daemon.until("it is written down", SOON, || {
        let text = std::fs::read_to_string(&book).ok()?;
        text.contains("requested").then_some(())
    });
    let before = receiver
        .of("ops")
        .iter()
        .filter(|post| post.id == first)
        .count();
    daemon.kill();
    daemon.run();
    // What waits is told in the order in which it was asked: were the first told again, it would be by now.
    let second = format!("{}-requested", ask(&daemon, &olga));
    receiver.until(&daemon, "ops", &second, 1);
    let after = receiver
        .of("ops")
        .iter()
        .filter(|post| post.id == first)
        .count();
    assert_eq!(before, after);
}
