//! MCP over streamable HTTP, with bearer tokens or clients' certificates; beside it `/healthz`, `/metrics` and
//! the console. With TLS or, on loopback only, without.
//!
//! Host and Origin are checked, so that a web page cannot reach it through a browser.

mod endpoint;
mod guard;
mod identify;
mod names;
mod resource;
mod sessions;

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use ostler_gate::mcp::{Door, McpServer, Who};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use endpoint::open_endpoint;

use self::{endpoint::endpoint, guard::guarded};
use super::{
    oidc::Issuer,
    quiet::Quiet,
    tls::{Peer, Tls, TlsListener},
};

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
    /// Whose tokens are believed beside the daemon's own.
    pub issuer: Option<Arc<Issuer>>,
    /// What it speaks TLS with; none where it does not.
    pub tls: Option<Arc<Tls>>,
    /// Requests to `/mcp` that were turned away for want of a good token.
    pub turned_away: Arc<AtomicU64>,
}

struct Inner {
    http: Http,
    quiet: Quiet,
}

/// Serves until told to stop.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, http: Http, stop: CancellationToken) -> io::Result<()> {
    let tls = http.tls.clone();
    let app = router(http, stop.child_token());
    let ends = stop.cancelled_owned();
    match tls {
        Some(tls) => {
            let app = app.into_make_service_with_connect_info::<Peer>();
            axum::serve(TlsListener::new(listener, tls), app)
                .with_graceful_shutdown(ends)
                .await
        }
        None => {
            axum::serve(listener, app)
                .with_graceful_shutdown(ends)
                .await
        }
    }
}

fn router(http: Http, stop: CancellationToken) -> Router {
    let server = McpServer::new(Arc::clone(&http.door), Who::Request(identify::caller_of));
    let (mcp, sessions) = endpoint(server, &http.hosts, stop);
    let (hosts, console) = (http.hosts.clone(), http.console.clone());
    let inner = Arc::new(Inner {
        http,
        quiet: Quiet::default(),
    });
    let mcp = mcp
        .layer(middleware::from_fn_with_state(sessions, sessions::own))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&inner),
            identify::authenticate,
        ));
    let app = Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route(resource::PATH, get(resource::metadata))
        .route(resource::OF_MCP, get(resource::metadata))
        .with_state(inner)
        .merge(mcp)
        .merge(console);
    guarded(app, hosts)
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
