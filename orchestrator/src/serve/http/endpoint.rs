//! `/mcp`: the transport of both revisions of MCP on one path. Who calls, and whether they may, is
//! found out around it and in the gate.

use std::sync::Arc;

use axum::Router;
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    guard::guarded,
    names::{allowed_hosts, allowed_origins},
    sessions::Sessions,
};

/// Largest request in bytes.
const BODY_LIMIT: usize = 16 << 20;

/// An endpoint, and who owns its sessions (clients of 2025-11-25 and before have them).
pub fn endpoint<S: ServerHandler + Clone>(
    server: S,
    hosts: &[String],
    stop: CancellationToken,
) -> (Router, Arc<Sessions>) {
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_cancellation_token(stop)
        .with_max_request_body_bytes(BODY_LIMIT)
        .with_allowed_hosts(allowed_hosts(hosts))
        .with_allowed_origins(allowed_origins(hosts));
    let manager = Arc::new(LocalSessionManager::default());
    let make = move || Ok(server.clone());
    let service = StreamableHttpService::new(make, Arc::clone(&manager), config);
    let router = Router::new().route_service("/mcp", service);
    (router, Arc::new(Sessions::new(manager)))
}

/// The same transport behind the same guard, for any server and without asking who calls: for the
/// conformance suite's fixtures, which change nothing. No option of the daemon leads here.
pub fn open_endpoint<S: ServerHandler + Clone>(server: S, stop: CancellationToken) -> Router {
    guarded(endpoint(server, &[], stop).0, Vec::new())
}
