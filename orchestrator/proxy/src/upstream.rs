//! One instance: its connections, what is under way to it, and how sending to it fails.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use ostler_core::id::InstanceId;
use tokio::net::TcpStream;

use crate::{
    body::{Passed, Progress},
    limits::Limits,
};

/// An instance behind a front.
#[derive(Debug)]
pub struct Backend {
    /// Which.
    pub id: InstanceId,
    /// Where.
    pub address: SocketAddr,
    under_way: AtomicUsize,
    rests_until: Mutex<Option<Instant>>,
    unused: Mutex<Vec<Unused>>,
}

struct Unused {
    sender: SendRequest<Passed>,
    since: Instant,
}

impl std::fmt::Debug for Unused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unused").finish_non_exhaustive()
    }
}

/// Counts as under way until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<Backend>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Why no answer came.
#[derive(Debug)]
pub enum Failure {
    /// Nothing was sent: there was no connection. The request is as it was.
    NotConnected(Box<Request<Passed>>),
    /// Some of it may have been read, and no answer came.
    Broken(hyper::Error),
    /// No answer came in time.
    TooSlow,
    /// What the client sent ended early.
    Client,
}

impl Backend {
    /// An instance that nothing is known of.
    pub fn new(id: InstanceId, address: SocketAddr) -> Self {
        Self {
            id,
            address,
            under_way: AtomicUsize::new(0),
            rests_until: Mutex::default(),
            unused: Mutex::default(),
        }
    }

    /// Requests and tunnels under way.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// Whether it refused a connection a moment ago.
    pub fn rests(&self, now: Instant) -> bool {
        lock(&self.rests_until).is_some_and(|until| now < until)
    }

    /// One more is under way.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(self.clone())
    }

    /// Closes the connections that are not in use.
    pub fn forget_unused(&self) {
        lock(&self.unused).clear();
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`Failure`], which says what may be done about it.
    pub async fn send(
        self: &Arc<Self>,
        request: Request<Passed>,
        repeatable: bool,
        progress: &Progress,
        limits: &Limits,
    ) -> Result<Response<Incoming>, Failure> {
        let kept = if repeatable {
            limits.idle
        } else {
            limits.fresh
        };
        let request = match self.take(kept) {
            None => request,
            Some(sender) => match self.send_over(sender, request, progress, limits).await {
                // Closed before anything of it was sent: it may go over a new one.
                Err(Failure::NotConnected(request)) => *request,
                done => return done,
            },
        };
        match self.connect(limits).await {
            Some(sender) => self.send_over(sender, request, progress, limits).await,
            None => {
                *lock(&self.rests_until) = Some(Instant::now() + limits.rest);
                Err(Failure::NotConnected(Box::new(request)))
            }
        }
    }

    /// The connection that was used last, if it was not too long ago.
    fn take(&self, kept: Duration) -> Option<SendRequest<Passed>> {
        let mut unused = lock(&self.unused);
        let last = unused.pop_if(|last| last.since.elapsed() < kept && !last.sender.is_closed());
        last.map(|last| last.sender)
    }

    async fn connect(&self, limits: &Limits) -> Option<SendRequest<Passed>> {
        let connected = async {
            let stream = TcpStream::connect(self.address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let mut builder = Builder::new();
            builder
                .max_headers(limits.head_lines)
                .max_buf_size(limits.head_bytes.max(8 << 10));
            builder.handshake(TokioIo::new(stream)).await.ok()
        };
        let (sender, connection) = tokio::time::timeout(limits.connect, connected)
            .await
            .ok()??;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an instance ended");
            }
        });
        Some(sender)
    }

    async fn send_over(
        self: &Arc<Self>,
        mut sender: SendRequest<Passed>,
        request: Request<Passed>,
        progress: &Progress,
        limits: &Limits,
    ) -> Result<Response<Incoming>, Failure> {
        let sent = sender.try_send_request(request);
        let answer = tokio::select! {
            answer = sent => answer,
            () = silent(progress, limits.answer) => return Err(Failure::TooSlow),
        };
        match answer {
            Ok(answer) => {
                let (backend, limits) = (self.clone(), limits.clone());
                tokio::spawn(async move {
                    if sender.ready().await.is_ok() {
                        backend.put_back(sender, &limits);
                    }
                });
                Ok(answer)
            }
            Err(mut error) => Err(match error.take_message() {
                Some(request) => Failure::NotConnected(Box::new(request)),
                None if error.error().is_user() => Failure::Client,
                None => Failure::Broken(error.into_error()),
            }),
        }
    }

    fn put_back(&self, sender: SendRequest<Passed>, limits: &Limits) {
        let mut unused = lock(&self.unused);
        unused.retain(|one| one.since.elapsed() < limits.idle && !one.sender.is_closed());
        if unused.len() < limits.idle_connections {
            let since = Instant::now();
            unused.push(Unused { sender, since });
        }
    }
}

/// Returns when nothing was passed on for so long.
async fn silent(progress: &Progress, limit: Duration) {
    loop {
        let left = limit.saturating_sub(progress.last().elapsed());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
