//! What is turned away before anything else is done for it: too much at a time, names that are not this
//! server's (DNS rebinding), pages of other sites. Who calls is not asked here.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

use super::names::{host_is_ours, origin_is_ours};

/// Most requests at a time.
const REQUESTS: usize = 256;

struct Guard {
    room: Semaphore,
    hosts: Vec<String>,
}

/// Puts the guard before everything; `hosts` are this server's names beside loopback ones.
pub fn guarded(app: Router, hosts: Vec<String>) -> Router {
    let guard = Arc::new(Guard {
        room: Semaphore::new(REQUESTS),
        hosts,
    });
    app.layer(middleware::from_fn_with_state(guard, pass))
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let Ok(_place) = guard.room.try_acquire() else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests at a time; try again\n",
        )
            .into_response();
    };
    if !host_is_ours(request.headers(), &guard.hosts) {
        return forbidden("this server does not answer to that Host\n");
    }
    if !origin_is_ours(request.headers(), &guard.hosts) {
        return forbidden("pages of that Origin may not use this server\n");
    }
    next.run(request).await
}

fn forbidden(words: &'static str) -> Response {
    (StatusCode::FORBIDDEN, words).into_response()
}
