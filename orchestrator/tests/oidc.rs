//! Tokens of an identity provider at the HTTP door: a real issuer on loopback with keys that rotate, and
//! every way in which a token is not good.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::door::Remembers;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ostler::{
    serve::{
        self,
        http::Http,
        oidc::{CodeFlow, Issuer},
    },
    settings::Settings,
};
use ostler_tools::principal::{Principal, Role};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

const AUDIENCE: &str = "http://127.0.0.1:7070/mcp";

/// An identity provider: signs, and says with what.
struct Provider {
    address: String,
    keys: Arc<Mutex<Vec<(&'static str, SigningKey)>>>,
    codes: Codes,
    stop: CancellationToken,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

type Published = (String, Arc<Mutex<Vec<(&'static str, SigningKey)>>>);
/// For each code: what a token request must bring, and the token that it is answered with.
type Codes = Arc<Mutex<BTreeMap<String, (BTreeMap<String, String>, String)>>>;

async fn discovery(State((address, _)): State<Published>) -> Json<Value> {
    Json(json!({
        "issuer": address, "jwks_uri": format!("{address}/keys"),
        "authorization_endpoint": format!("{address}/authorize"), "token_endpoint": format!("{address}/token"),
    }))
}

/// A code is good once, for who brings what it was given for.
async fn token(
    State(codes): State<Codes>,
    Form(mut sent): Form<BTreeMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let code = sent.remove("code").ok_or(StatusCode::BAD_REQUEST)?;
    let known = codes.lock().unwrap().remove(&code);
    let (wanted, token) = known.ok_or(StatusCode::BAD_REQUEST)?;
    let verifier = sent.remove("code_verifier").unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    sent.insert("code_challenge".to_owned(), challenge);
    if sent != wanted {
        return Err(StatusCode::UNAUTHORIZED);
    }
    Ok(Json(
        json!({ "access_token": "x", "token_type": "Bearer", "id_token": token }),
    ))
}

async fn keys(State((_, keys)): State<Published>) -> Json<Value> {
    let keys = keys.lock().unwrap();
    let public = keys.iter().map(|(kid, key)| {
        let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x })
    });
    Json(json!({ "keys": public.collect::<Vec<_>>() }))
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let held = Arc::new(Mutex::new(vec![(
            "first",
            SigningKey::from_bytes(&[1; 32]),
        )]));
        let codes = Codes::default();
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state((address.clone(), held.clone()))
            .merge(
                Router::new()
                    .route("/token", post(token))
                    .with_state(Arc::clone(&codes)),
            );
        let stop = CancellationToken::new();
        let ends = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            axum::serve(listener, app)
                .with_graceful_shutdown(ends)
                .await
        });
        Self {
            address,
            keys: held,
            codes,
            stop,
        }
    }

    fn configured(&self) -> Issuer {
        let text = format!(
            "identity:\n  oidc:\n    issuer: {}\n    audience: {AUDIENCE}\n    roles: {{ viewer: [everyone], operator: [sre] }}\n    console: {{ clientId: ostler-console }}\n",
            self.address
        );
        Issuer::new(
            Settings::parse(&text, Path::new("."))
                .unwrap()
                .oidc
                .unwrap(),
        )
    }

    fn claims(&self) -> Value {
        let now = jsonwebtoken::get_current_timestamp();
        json!({ "iss": self.address, "aud": AUDIENCE, "sub": "ann", "groups": ["sre"], "iat": now, "nbf": now, "exp": now + 300 })
    }
}

/// A token signed by one of the provider's keys.
fn signed(kid: &str, seed: u8, claims: &Value) -> String {
    // RFC 8410: a private key of Ed25519 in PKCS #8.
    let mut der = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    der.extend_from_slice(&[seed; 32]);
    let header = Header {
        kid: Some(kid.to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    encode(&header, claims, &EncodingKey::from_ed_der(&der)).unwrap()
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    changed
        .as_object_mut()
        .unwrap()
        .insert(name.to_owned(), value);
    changed
}

#[tokio::test]
async fn a_token_speaks_for_its_bearer_with_the_roles_of_their_groups() {
    let provider = Provider::start().await;
    let issuer = provider.configured();
    let caller = issuer
        .authenticate(&signed("first", 1, &provider.claims()))
        .await;
    let ann = Principal::User {
        name: "ann@127.0.0.1".to_owned(),
        roles: vec![Role::Operator],
    };
    assert_eq!(caller, Some(ann));
}

#[tokio::test]
async fn whatever_is_not_as_it_must_be_is_nobodys() {
    let provider = Provider::start().await;
    let (issuer, good) = (provider.configured(), provider.claims());
    let now = jsonwebtoken::get_current_timestamp();
    let token = signed("first", 1, &good);
    let (body, _) = token.rsplit_once('.').unwrap();
    let hash = Header {
        kid: Some("first".to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    let public = SigningKey::from_bytes(&[1; 32]).verifying_key();
    let unsigned = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","kid":"first"}"#);
    let bad = [
        (
            "of another audience",
            signed("first", 1, &with(&good, "aud", json!("http://elsewhere"))),
        ),
        (
            "of another issuer",
            signed("first", 1, &with(&good, "iss", json!("http://127.0.0.1:1"))),
        ),
        (
            "expired",
            signed("first", 1, &with(&good, "exp", json!(now - 120))),
        ),
        (
            "of the future",
            signed("first", 1, &with(&good, "nbf", json!(now + 120))),
        ),
        (
            "without an end",
            signed("first", 1, &with(&good, "exp", Value::Null)),
        ),
        (
            "in no group",
            signed("first", 1, &with(&good, "groups", json!(["guests"]))),
        ),
        (
            "with a name of two lines",
            signed("first", 1, &with(&good, "sub", json!("ann\nroot"))),
        ),
        ("signed by another key", signed("first", 2, &good)),
        (
            "signed with what everybody knows",
            encode(&hash, &good, &EncodingKey::from_secret(public.as_bytes())).unwrap(),
        ),
        (
            "without a signature",
            format!("{unsigned}.{}.", body.split_once('.').unwrap().1),
        ),
        ("cut off", body.to_owned()),
        ("nonsense", "a.b.c".to_owned()),
        ("too long", "x".repeat(20_000)),
    ];
    for (what, token) in bad {
        assert_eq!(issuer.authenticate(&token).await, None, "{what}");
    }
    assert!(
        issuer.authenticate(&token).await.is_some(),
        "and the good one is good"
    );
}

#[tokio::test]
async fn keys_that_rotate_are_followed_and_clocks_may_be_apart_a_little() {
    let provider = Provider::start().await;
    let issuer = provider.configured();
    let now = jsonwebtoken::get_current_timestamp();
    let late = with(&provider.claims(), "exp", json!(now - 20));
    assert!(
        issuer
            .authenticate(&signed("first", 1, &late))
            .await
            .is_some(),
        "within a minute"
    );
    provider
        .keys
        .lock()
        .unwrap()
        .push(("second", SigningKey::from_bytes(&[2; 32])));
    let next = signed("second", 2, &provider.claims());
    assert!(issuer.authenticate(&next).await.is_some());
    // With the provider gone, what is known goes on.
    provider.stop.cancel();
    assert!(issuer.authenticate(&next).await.is_some());
    for kid in ["third", "fourth", "fifth", "sixth"] {
        assert!(
            issuer
                .authenticate(&signed(kid, 3, &provider.claims()))
                .await
                .is_none()
        );
    }
}

#[tokio::test]
async fn the_door_says_where_tokens_come_from_and_lets_them_in() {
    let provider = Provider::start().await;
    let door: Arc<Remembers> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let http = Http {
        door: door.clone(),
        metrics: Arc::new(String::new),
        problems: Arc::new(Vec::new),
        hosts: Vec::new(),
        console: axum::Router::new(),
        issuer: Some(Arc::new(provider.configured())),
        tls: None,
        turned_away: Arc::default(),
    };
    let stop = CancellationToken::new();
    tokio::spawn(serve::http::serve(listener, http, stop.clone()));
    let client = reqwest::Client::new();
    let post = |token: String| {
        let call = common::call::request(
            &client,
            &format!("http://{address}"),
            "get_status",
            &json!({}),
        );
        call.bearer_auth(token).send()
    };
    let refused = post("x".to_owned()).await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"]
        .to_str()
        .unwrap()
        .to_owned();
    let place = "http://127.0.0.1:7070/.well-known/oauth-protected-resource/mcp";
    assert!(
        challenge.contains(&format!("resource_metadata=\"{place}\"")),
        "{challenge}"
    );
    let metadata = client.get(format!(
        "http://{address}/.well-known/oauth-protected-resource/mcp"
    ));
    let metadata: Value =
        serde_json::from_str(&metadata.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(metadata["authorization_servers"], json!([provider.address]));
    assert_eq!(metadata["resource"], AUDIENCE);
    post(signed("first", 1, &provider.claims())).await.unwrap();
    let last = door.callers().pop();
    assert_eq!(last.unwrap().to_string(), "user:ann@127.0.0.1");
    stop.cancel();
}

const BACK: &str = "http://127.0.0.1:7070/sign-in/back";

/// Somebody at the issuer's page: where they were sent, and what their browser keeps.
struct Sent {
    asked: BTreeMap<String, String>,
    browser: String,
}

impl Sent {
    async fn by(flow: &dyn ostler_console::Elsewhere) -> Self {
        let begun = flow.begin(BACK).await.unwrap();
        let url = reqwest::Url::parse(&begun.to).unwrap();
        Self {
            asked: url.query_pairs().into_owned().collect(),
            browser: begun.browser.to_string(),
        }
    }

    fn asked(&self, what: &str) -> &str {
        self.asked.get(what).unwrap()
    }

    /// What the issuer makes of a yes there: a code for this client alone.
    fn says_yes(&self, provider: &Provider, code: &str, claims: &Value) {
        let wanted = [
            ("grant_type", "authorization_code"),
            ("redirect_uri", BACK),
            ("client_id", "ostler-console"),
            ("code_challenge", self.asked("code_challenge")),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let made = (wanted.into(), signed("first", 1, claims));
        provider.codes.lock().unwrap().insert(code.to_owned(), made);
    }
}

fn told(provider: &Provider, sent: &Sent) -> Value {
    let claims = with(&provider.claims(), "aud", json!("ostler-console"));
    with(&claims, "nonce", json!(sent.asked("nonce")))
}

#[tokio::test]
async fn who_comes_back_from_the_issuer_is_who_it_says() {
    let provider = Provider::start().await;
    let issuer = Arc::new(provider.configured());
    let flow = CodeFlow::of(&issuer, false).unwrap();
    let sent = Sent::by(&*flow).await;
    assert_eq!(sent.asked("response_type"), "code");
    assert_eq!(sent.asked("code_challenge_method"), "S256");
    assert_eq!(sent.asked("redirect_uri"), BACK);
    sent.says_yes(&provider, "c1", &told(&provider, &sent));
    let state = sent.asked("state");
    let who = flow.finish(state, "c1", &sent.browser).await.unwrap();
    assert_eq!(who.to_string(), "user:ann@127.0.0.1");
    sent.says_yes(&provider, "c2", &told(&provider, &sent));
    assert!(
        flow.finish(state, "c2", &sent.browser).await.is_none(),
        "once"
    );
}

#[tokio::test]
async fn whoever_comes_back_otherwise_is_nobody() {
    let provider = Provider::start().await;
    let issuer = Arc::new(provider.configured());
    let flow = CodeFlow::of(&issuer, false).unwrap();
    let other = Sent::by(&*flow).await;
    for what in [
        "browser", "state", "code", "nonce", "aud", "groups", "verifier",
    ] {
        let mut sent = Sent::by(&*flow).await;
        let mut claims = told(&provider, &sent);
        match what {
            "nonce" => claims = with(&claims, "nonce", json!(other.asked("nonce"))),
            "aud" => claims = with(&claims, "aud", json!(AUDIENCE)),
            "groups" => claims = with(&claims, "groups", json!(["guests"])),
            "verifier" => {
                let stolen = other.asked("code_challenge").to_owned();
                sent.asked.insert("code_challenge".to_owned(), stolen);
            }
            _ => {}
        }
        sent.says_yes(&provider, "code", &claims);
        let state = if what == "state" {
            "x"
        } else {
            sent.asked("state")
        };
        let code = if what == "code" { "x" } else { "code" };
        let browser = match what {
            "browser" => &other.browser,
            _ => &sent.browser,
        };
        assert_eq!(flow.finish(state, code, browser).await, None, "{what}");
    }
    provider.stop.cancel();
}
