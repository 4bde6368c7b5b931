//! Where clients learn who makes tokens for this server: protected-resource metadata (RFC 9728).

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::Inner;
use crate::serve::oidc::Issuer;

/// The document of the server as a whole.
pub const PATH: &str = "/.well-known/oauth-protected-resource";
/// The same under the path of what is protected, where RFC 9728 looks first.
pub const OF_MCP: &str = "/.well-known/oauth-protected-resource/mcp";

/// The document; none where no issuer is configured.
pub async fn metadata(State(inner): State<Arc<Inner>>) -> Response {
    let Some(issuer) = &inner.http.issuer else {
        return (
            StatusCode::NOT_FOUND,
            "no issuer of tokens is configured; tokens are made with `ostler token create`\n",
        )
            .into_response();
    };
    let document = json!({
        "resource": issuer.audience(),
        "authorization_servers": [issuer.address()],
        "bearer_methods_supported": ["header"],
        "resource_name": "Ostler",
    });
    (
        [(header::CONTENT_TYPE, "application/json")],
        document.to_string(),
    )
        .into_response()
}

/// What a challenge adds for clients that look for the document; it is where the audience says the server is.
pub fn hint(issuer: &Issuer) -> String {
    let Ok(mut url) = reqwest::Url::parse(issuer.audience()) else {
        return String::new();
    };
    url.set_path(OF_MCP);
    url.set_query(None);
    format!(", resource_metadata=\"{url}\"")
}
