//! The routes: whatever the path begins with, its end says which protocol is spoken.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{Asked, Brain, NAME, Reply, ollama, openai};

#[derive(Clone)]
struct Shared {
    brain: Brain,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(crate) fn router(brain: Brain, asked: Arc<Mutex<Vec<Asked>>>) -> Router {
    Router::new()
        .fallback(answer)
        .with_state(Shared { brain, asked })
}

async fn answer(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let asked = Asked {
        path: uri.path().to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    shared
        .asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(asked.clone());
    let reply = (shared.brain)(&asked);
    if asked.path.ends_with("/chat/completions") {
        openai::answer(&asked, reply)
    } else if asked.path.ends_with("/api/chat") {
        ollama::answer(&asked, reply)
    } else {
        error(
            404,
            json!({ "error": { "message": "this fake speaks chat only" } }),
        )
    }
}

/// An answer with this body.
pub(crate) fn whole(kind: &str, body: impl Into<Body>) -> Response {
    built(
        Response::builder()
            .header("content-type", kind)
            .header("server", NAME),
        body.into(),
    )
}

/// An error with this body.
pub(crate) fn error(status: u16, body: Value) -> Response {
    let builder = Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("content-type", "application/json")
        .header("server", NAME);
    built(builder, body.to_string().into())
}

/// Too many requests.
pub(crate) fn too_many(retry_after: Option<u64>, body: Value) -> Response {
    let mut builder = Response::builder()
        .status(429)
        .header("content-type", "application/json");
    if let Some(seconds) = retry_after {
        builder = builder.header("retry-after", seconds.to_string());
    }
    built(builder.header("server", NAME), body.to_string().into())
}

fn built(builder: axum::http::response::Builder, body: Body) -> Response {
    builder.body(body).unwrap_or_default()
}

/// Text of replies that are text, with their counted cost.
pub(crate) fn text_of(asked: &Asked, reply: &Reply) -> Option<(String, Option<(u64, u64)>)> {
    let weight = |text: &str| u64::try_from(text.len().div_ceil(4)).unwrap_or(u64::MAX);
    let tokens_in = weight(&asked.body.to_string());
    match reply {
        Reply::Say(text) | Reply::SaySlowly(text, _) => {
            Some((text.clone(), Some((tokens_in, weight(text)))))
        }
        Reply::Cost(text, tokens_in, tokens_out) => {
            Some((text.clone(), Some((*tokens_in, *tokens_out))))
        }
        Reply::SayUncounted(text) => Some((text.clone(), None)),
        Reply::Use(_) => Some((String::new(), Some((tokens_in, 20)))),
        _ => None,
    }
}
