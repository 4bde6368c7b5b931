//! Who sends a request: a bearer token's owner, or nobody, who comes no further than the record.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ostler_tools::principal::Principal;
use rmcp::model::Extensions;
use serde_json::Value;

use super::{Inner, resource};

/// Largest request of an unknown caller that is looked at, in bytes.
const UNKNOWN_BODY_LIMIT: usize = 64 << 10;

/// The proof that [`authenticate`] left with the request.
pub fn caller_of(extensions: &Extensions) -> Option<Principal> {
    extensions
        .get::<Parts>()?
        .extensions
        .get::<Principal>()
        .cloned()
}

/// Finds out who calls; nobody unknown comes further.
pub async fn authenticate(
    State(inner): State<Arc<Inner>>,
    mut request: Request,
    next: Next,
) -> Response {
    let bearer = bearer_of(request.headers()).map(str::to_owned);
    let caller = match &bearer {
        Some(token) => caller(&inner, token).await,
        None => None,
    };
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    inner.http.turned_away.fetch_add(1, Ordering::Relaxed);
    if let Some(unsaid) = inner.quiet.may_say() {
        tracing::warn!(
            token = bearer.is_some(),
            unsaid,
            "an HTTP request without a good token was turned away"
        );
    }
    record_unknown(&inner, request.into_body()).await;
    turned_away(&inner, bearer.is_some())
}

/// The daemon's own tokens first; others are the issuer's to know.
async fn caller(inner: &Inner, token: &str) -> Option<Principal> {
    if let Some(own) = inner.http.door.authenticate(token).await {
        return Some(own);
    }
    inner.http.issuer.as_ref()?.authenticate(token).await
}

fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
        .filter(|token| !token.is_empty())
}

/// Lets the gate deny a call of nobody, and record it within limits; its answer is not shown to them.
async fn record_unknown(inner: &Inner, body: Body) {
    let read =
        tokio::time::timeout(Duration::from_secs(5), to_bytes(body, UNKNOWN_BODY_LIMIT)).await;
    let Ok(Ok(bytes)) = read else { return };
    let Ok(message) = serde_json::from_slice::<Value>(&bytes) else {
        return;
    };
    if message.get("method").and_then(Value::as_str) != Some("tools/call") {
        return;
    }
    let params = message.get("params").cloned().unwrap_or_default();
    let tool = params
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let args = params
        .get("arguments")
        .cloned()
        .unwrap_or_else(|| Value::Object(Default::default()));
    let door = Arc::clone(&inner.http.door);
    let _denied = door.call(&Principal::Anonymous, tool, args).await;
}

fn turned_away(inner: &Inner, token_given: bool) -> Response {
    let (error, words) = if token_given {
        (
            ", error=\"invalid_token\"",
            "the bearer token is unknown, revoked, expired or not for this server",
        )
    } else {
        ("", "a bearer token is needed")
    };
    let issuer = inner.http.issuer.as_deref();
    let metadata = issuer.map(resource::hint).unwrap_or_default();
    let challenge = format!("Bearer realm=\"ostler\"{error}{metadata}");
    let other = issuer.map_or_else(String::new, |issuer| {
        format!(", or sign in at {}", issuer.address())
    });
    let help = format!(
        "make one with `ostler token create NAME --role viewer` on the daemon's machine{other}"
    );
    let body =
        serde_json::json!({ "error": "unauthorized", "message": format!("{words}; {help}") });
    let headers = [
        (header::WWW_AUTHENTICATE, challenge),
        (header::CONTENT_TYPE, "application/json".to_owned()),
    ];
    (StatusCode::UNAUTHORIZED, headers, body.to_string()).into_response()
}
