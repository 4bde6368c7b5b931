//! One front's door: accepts connections, serves them by the rotation of the moment, closes politely.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rand::rngs::StdRng;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{choice::Rotation, forward::forward, limits::Limits};

/// Wait after a connection could not be accepted, such as for want of file descriptors.
const AGAIN: Duration = Duration::from_millis(50);

/// What everything behind one front shares.
pub struct Shared {
    /// Bounds.
    pub limits: Limits,
    /// One permit for each request that may be under way.
    pub requests: Arc<Semaphore>,
    /// Cancelled when the front closes.
    pub closing: CancellationToken,
    rotation: RwLock<Arc<Rotation>>,
    dice: Mutex<StdRng>,
    turned_away: AtomicU64,
    leaving: AtomicBool,
}

impl Shared {
    /// Nobody answers yet.
    pub fn new(limits: Limits, dice: StdRng) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(limits.requests)),
            closing: CancellationToken::new(),
            rotation: RwLock::default(),
            dice: Mutex::new(dice),
            turned_away: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            limits,
        }
    }

    /// Who answers now.
    pub fn rotation(&self) -> Arc<Rotation> {
        let rotation = self.rotation.read();
        rotation.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these answer.
    pub fn set(&self, rotation: Rotation) {
        let held = self.rotation.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(rotation);
    }

    /// The dice, for one throw.
    pub fn dice(&self) -> MutexGuard<'_, StdRng> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more request was answered without asking an instance.
    pub fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::AcqRel);
    }

    /// From now on every answer asks its client to come again over a new connection: one that is closed
    /// unasked may be carrying a request.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Whether clients are asked to.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire) || self.closing.is_cancelled()
    }

    /// How many were.
    pub fn all_turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Acquire)
    }
}

/// A front that is open.
pub struct Door {
    /// What its connections share.
    pub shared: Arc<Shared>,
    /// Where it listens.
    pub address: SocketAddr,
    connections: TaskTracker,
}

impl Door {
    /// Listens on a port of the system's choice.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn open(address: IpAddr, shared: Shared) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let door = Self {
            shared: Arc::new(shared),
            address: listener.local_addr()?,
            connections: TaskTracker::new(),
        };
        let (shared, connections) = (door.shared.clone(), door.connections.clone());
        door.connections
            .spawn(accept(listener, shared, connections));
        Ok(door)
    }

    /// Accepts nobody any more and lets what is under way end; returns when it has, or was cut off.
    pub async fn close(self) {
        self.shared.closing.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, connections: TaskTracker) {
    let room = Arc::new(Semaphore::new(shared.limits.connections));
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = shared.closing.cancelled() => return,
            accepted = async {
                let place = room.clone().acquire_owned().await.ok();
                (place, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (place, Ok((stream, peer))) => {
                failing = false;
                let shared = shared.clone();
                connections.spawn(async move {
                    serve(stream, peer.ip(), shared).await;
                    drop(place);
                });
            }
            (_, Err(error)) => {
                // Told once: the same happens again many times a second.
                if !failing {
                    tracing::warn!(%error, "connections cannot be accepted; trying again");
                }
                failing = true;
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the client is gone already");
        return;
    }
    let limits = &shared.limits;
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { Ok::<_, std::convert::Infallible>(forward(&shared, peer, request).await) }
    });
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.head_lines)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(8 << 10));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection.with_upgrades());
    let served = tokio::select! {
        served = connection.as_mut() => Some(served),
        () = shared.closing.cancelled() => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.drain, connection).await {
                Ok(served) => served,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a client's connection ended");
    }
}
