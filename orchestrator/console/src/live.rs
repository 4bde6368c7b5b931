//! Hints that something may have changed, as server-sent events. They say nothing of what: the page is
//! asked for again, through the gate like the first time.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{sleep, timeout},
};

use crate::{
    problem::Problem,
    state::Console,
    visit::{Visit, secret_of},
};

/// Least time between two hints.
const REST: Duration = Duration::from_millis(1_500);
/// Most time between two hints: signals move without anything happening.
const ANYWAY: Duration = Duration::from_secs(15);

struct Follower {
    hints: watch::Receiver<u64>,
    console: Arc<Console>,
    secret: String,
    _place: OwnedSemaphorePermit,
}

/// Follows until the browser goes or the session ends.
pub(crate) async fn follow(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    _visit: Visit,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = Arc::clone(&console.followers).try_acquire_owned();
    let follower = Follower {
        hints: console.gate.hints(),
        secret: secret_of(&headers).unwrap_or_default().to_owned(),
        _place: place.map_err(|_| Problem::Busy)?,
        console,
    };
    let hints = stream::unfold(follower, |mut follower| async {
        let stop = follower.console.stop.clone();
        let hint = async {
            sleep(REST).await;
            timeout(ANYWAY, follower.hints.changed()).await
        };
        if let Ok(Err(_closed)) = stop.run_until_cancelled(hint).await? {
            return None;
        }
        follower.console.gate.session(&follower.secret)?;
        Some((Ok(Event::default().event("changed").data("look")), follower))
    });
    Ok(Sse::new(hints).keep_alive(KeepAlive::default()))
}
