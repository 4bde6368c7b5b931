//! A session belongs to whom it was opened for: another caller who learnt its name finds nothing there.
//!
//! Who calls is proved by every request anew, with or without a session; this keeps streams and answers
//! of one caller from another, and bounds how many sessions one caller holds open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ostler_tools::principal::Principal;
use rmcp::transport::streamable_http_server::session::{
    SessionManager, local::LocalSessionManager,
};

/// Most sessions that one caller has open; the oldest is closed for another.
const SESSIONS: usize = 32;

/// MCP's header that names a session.
const HEADER: &str = "mcp-session-id";

/// Open sessions by owner.
pub struct Sessions {
    manager: Arc<LocalSessionManager>,
    /// Oldest first.
    owned: Mutex<HashMap<String, Vec<String>>>,
}

impl Sessions {
    /// No session is open yet.
    pub fn new(manager: Arc<LocalSessionManager>) -> Self {
        Self {
            manager,
            owned: Mutex::default(),
        }
    }

    fn is_of(&self, session: &str, owner: &str) -> bool {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned
            .get(owner)
            .is_some_and(|sessions| sessions.iter().any(|known| known == session))
    }

    /// Keeps who opened a session; what had to make room for it comes back.
    fn keep(&self, session: String, owner: String) -> Option<String> {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = owned.entry(owner).or_default();
        sessions.push(session);
        (sessions.len() > SESSIONS).then(|| sessions.remove(0))
    }
}

/// Lets through what is the caller's own, and keeps whose the sessions are that the endpoint opens.
pub async fn own(State(sessions): State<Arc<Sessions>>, request: Request, next: Next) -> Response {
    let Some(owner) = request
        .extensions()
        .get::<Principal>()
        .map(ToString::to_string)
    else {
        return next.run(request).await;
    };
    let named = session_of(request.headers());
    if named
        .as_ref()
        .is_some_and(|named| !sessions.is_of(named, &owner))
    {
        let words = "there is no such session of yours; begin a new one with `initialize`\n";
        return (StatusCode::NOT_FOUND, words).into_response();
    }
    let response = next.run(request).await;
    let opened = session_of(response.headers()).filter(|opened| named.as_ref() != Some(opened));
    let crowded_out = opened.and_then(|opened| sessions.keep(opened, owner));
    if let Some(oldest) = crowded_out
        && let Err(error) = sessions.manager.close_session(&oldest.into()).await
    {
        tracing::debug!(%error, "a session was gone before it had to make room");
    }
    response
}

fn session_of(headers: &HeaderMap) -> Option<String> {
    let session = headers.get(HEADER)?.to_str().ok()?;
    Some(session.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_holds_more_sessions_than_the_limit_and_none_of_anothers() {
        let sessions = Sessions::new(Arc::new(LocalSessionManager::default()));
        for number in 0..SESSIONS {
            assert_eq!(sessions.keep(number.to_string(), "user:a".to_owned()), None);
        }
        assert!(sessions.is_of("0", "user:a") && !sessions.is_of("0", "user:b"));
        let oldest = sessions.keep("more".to_owned(), "user:a".to_owned());
        assert_eq!(oldest.as_deref(), Some("0"));
        assert!(!sessions.is_of("0", "user:a") && sessions.is_of("more", "user:a"));
        assert_eq!(
            sessions.keep("its own".to_owned(), "user:b".to_owned()),
            None
        );
    }
}
