//! One agent's socket: HTTP over it, for that agent's process alone.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::HeaderMap,
    response::Response,
    routing::{get, post},
    serve::Listener,
};
use tokio::net::{
    UnixListener, UnixStream,
    unix::{SocketAddr, UCred},
};
use tokio_util::sync::CancellationToken;

use crate::{broker::Broker, budget::Account, config::Protocol, request::REQUEST_LIMIT};

/// Requests of one agent at a time; more wait.
const AT_ONCE: usize = 4;
/// How long a request may go on after the end.
const GRACE: Duration = Duration::from_secs(1);
/// Longest name of a turn or a subject.
const NAME_LIMIT: usize = 200;

/// Whether a process may use the socket, by the kernel's word on who it is.
pub type Admit = Arc<dyn Fn(&UCred) -> bool + Send + Sync>;

#[derive(Clone)]
struct Shared {
    broker: Arc<Broker>,
    agent: Arc<str>,
    room: Arc<tokio::sync::Semaphore>,
}

/// Serves one agent on its socket until told to stop; what was begun then is let end for a moment.
pub async fn serve(
    broker: Arc<Broker>,
    agent: &str,
    socket: UnixListener,
    admit: Admit,
    stop: CancellationToken,
) {
    let shared = Shared {
        broker,
        agent: agent.into(),
        room: Arc::new(tokio::sync::Semaphore::new(AT_ONCE)),
    };
    let router = Router::new()
        .route("/settings", get(settings))
        .route("/endpoints/{endpoint}/chat/completions", post(openai))
        .route("/endpoints/{endpoint}/api/chat", post(ollama))
        .layer(DefaultBodyLimit::max(REQUEST_LIMIT))
        .with_state(shared);
    let guarded = Guarded {
        socket,
        admit,
        agent: agent.to_owned(),
    };
    let served = axum::serve(guarded, router)
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .into_future();
    let in_time = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = in_time => {}
        ended = served => {
            if let Err(error) = ended {
                tracing::error!(agent, %error, "the broker's socket closed");
            }
        }
    }
}

async fn settings(State(shared): State<Shared>) -> Response {
    shared.broker.settings(&shared.agent)
}

async fn openai(
    State(shared): State<Shared>,
    Path(endpoint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    ask(shared, &endpoint, Protocol::Openai, &headers, &body).await
}

async fn ollama(
    State(shared): State<Shared>,
    Path(endpoint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    ask(shared, &endpoint, Protocol::Ollama, &headers, &body).await
}

async fn ask(
    shared: Shared,
    endpoint: &str,
    protocol: Protocol,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let name = |header: &str| {
        let value = headers.get(header).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().chars().take(NAME_LIMIT).collect()
    };
    let account = Account {
        turn: name("x-ostler-turn"),
        subject: name("x-ostler-subject"),
    };
    // Never closed: an error would leave the request without a place, which only lets it through.
    let _place = shared.room.acquire().await.ok();
    shared
        .broker
        .ask(&shared.agent, endpoint, protocol, account, body)
        .await
}

/// A socket that turns others than the agent away before a byte is read.
struct Guarded {
    socket: UnixListener,
    admit: Admit,
    agent: String,
}

impl Listener for Guarded {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            let (stream, address) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(agent = self.agent, %error, "cannot accept a connection on the broker's socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            match stream.peer_cred() {
                Ok(peer) if (self.admit)(&peer) => return (stream, address),
                Ok(peer) => {
                    tracing::warn!(
                        agent = self.agent,
                        uid = peer.uid(),
                        pid = peer.pid(),
                        "a process that is not the agent was turned away"
                    );
                }
                Err(error) => {
                    tracing::warn!(agent = self.agent, %error, "the kernel does not say who connected")
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
