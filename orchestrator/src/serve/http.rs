//! MCP over streamable HTTP, with bearer tokens; beside it `/healthz`, `/metrics` and the console.
//!
//! Loopback by default: Host and Origin are checked, so that a web page cannot reach it through a browser.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use ostler_gate::mcp::{Door, McpServer, Who};
use ostler_tools::principal::Principal;
use rmcp::{
    model::Extensions,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use super::quiet::Quiet;

/// Largest request in bytes.
const BODY_LIMIT: usize = 16 << 20;
/// Largest request of an unknown caller that is looked at, in bytes.
const UNKNOWN_BODY_LIMIT: usize = 64 << 10;
/// Most requests at a time.
const REQUESTS: usize = 256;

/// Text for `/metrics`, made when it is asked for.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;
/// What is wrong with the daemon, in words; nothing means healthy.
pub type Problems = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What the HTTP door needs.
#[derive(Clone)]
pub struct Http {
    /// The gate.
    pub door: Arc<dyn Door>,
    /// For `/metrics`.
    pub metrics: MetricsText,
    /// For `/healthz`.
    pub problems: Problems,
    /// Names by which clients may call this server, beside loopback ones.
    pub hosts: Vec<String>,
    /// The console's pages.
    pub console: Router,
    /// Requests to `/mcp` that were turned away for want of a good token.
    pub turned_away: Arc<AtomicU64>,
}

struct Inner {
    http: Http,
    room: Semaphore,
    quiet: Quiet,
}

/// Serves until told to stop.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, http: Http, stop: CancellationToken) -> io::Result<()> {
    let app = router(http, stop.child_token());
    axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(http: Http, stop: CancellationToken) -> Router {
    let hosts = allowed_hosts(&http.hosts);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_cancellation_token(stop)
        .with_max_request_body_bytes(BODY_LIMIT)
        .with_allowed_hosts(hosts)
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"]);
    let server = McpServer::new(Arc::clone(&http.door), Who::Request(caller_of));
    let mcp = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let console = http.console.clone();
    let inner = Arc::new(Inner {
        http,
        room: Semaphore::new(REQUESTS),
        quiet: Quiet::default(),
    });
    let mcp = Router::new()
        .route_service("/mcp", mcp)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&inner),
            authenticate,
        ));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(&inner))
        .merge(mcp)
        .merge(console)
        .layer(middleware::from_fn_with_state(inner, guard))
}

/// The proof that [`authenticate`] left with the request.
fn caller_of(extensions: &Extensions) -> Option<Principal> {
    extensions
        .get::<Parts>()?
        .extensions
        .get::<Principal>()
        .cloned()
}

fn allowed_hosts(more: &[String]) -> Vec<String> {
    let loopback = ["localhost", "127.0.0.1", "::1"];
    loopback
        .into_iter()
        .map(str::to_owned)
        .chain(more.iter().cloned())
        .collect()
}

/// Turns away what is too much, names that are not this server's (DNS rebinding) and pages of other
/// sites, before anything else is done for them.
async fn guard(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let Ok(_place) = inner.room.try_acquire() else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests at a time; try again\n",
        )
            .into_response();
    };
    if !host_is_ours(request.headers(), &inner.http.hosts) {
        return forbidden("this server does not answer to that Host\n");
    }
    if !origin_is_ours(request.headers(), &inner.http.hosts) {
        return forbidden("pages of that Origin may not use this server\n");
    }
    next.run(request).await
}

fn forbidden(words: &'static str) -> Response {
    (StatusCode::FORBIDDEN, words).into_response()
}

/// Browsers say which page sends a request; others say nothing.
fn origin_is_ours(headers: &HeaderMap, more: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let site = origin.to_str().ok().and_then(|origin| {
        origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
    });
    site.is_some_and(|site| name_is_ours(site, more))
}

fn host_is_ours(headers: &HeaderMap, more: &[String]) -> bool {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    host.is_some_and(|host| name_is_ours(host, more))
}

/// Whether a name, with or without a port, is this server's.
fn name_is_ours(host: &str, more: &[String]) -> bool {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name
        .map_or(host, |(name, _)| name)
        .trim_start_matches('[')
        .trim_end_matches(']');
    allowed_hosts(more)
        .iter()
        .any(|ours| ours == host || ours.eq_ignore_ascii_case(name))
}

/// Finds out who calls; nobody unknown comes further.
async fn authenticate(
    State(inner): State<Arc<Inner>>,
    mut request: Request,
    next: Next,
) -> Response {
    let bearer = bearer_of(request.headers()).map(str::to_owned);
    let caller = match &bearer {
        Some(token) => inner.http.door.authenticate(token).await,
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
    turned_away(bearer.is_some())
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

fn turned_away(token_given: bool) -> Response {
    let (challenge, words) = if token_given {
        (
            "Bearer realm=\"ostler\", error=\"invalid_token\"",
            "the bearer token is unknown, revoked or expired",
        )
    } else {
        ("Bearer realm=\"ostler\"", "a bearer token is needed")
    };
    let help = "make one with `ostler token create NAME --role viewer` on the daemon's machine";
    let body =
        serde_json::json!({ "error": "unauthorized", "message": format!("{words}; {help}") });
    let headers = [
        (header::WWW_AUTHENTICATE, challenge),
        (header::CONTENT_TYPE, "application/json"),
    ];
    (StatusCode::UNAUTHORIZED, headers, body.to_string()).into_response()
}

async fn healthz(State(inner): State<Arc<Inner>>) -> Response {
    let problems = (inner.http.problems)();
    if problems.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("{}\n", problems.join("\n")),
    )
        .into_response()
}

async fn metrics(State(inner): State<Arc<Inner>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (inner.http.metrics)()).into_response()
}
