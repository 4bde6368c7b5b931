//! Connections that speak TLS. Handshakes are made aside, each within a time and so many at once: whoever
//! is slow with theirs holds nobody up.

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use rustls::pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::task::AbortOnDropHandle;

use super::{Chain, Tls};
use crate::serve::quiet::Quiet;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most handshakes at once; the oldest makes room for another, so that slow ones cannot keep quick ones out.
const HANDSHAKES: usize = 128;
/// Most connections at a time; one more is closed once its handshake is done.
const CONNECTIONS: usize = 1_024;
/// Connections whose handshake is done that wait to be served.
const DONE: usize = 32;

/// A connection, and its place.
type Met = (TlsStream<TcpStream>, Place);

/// A connection's place among those that there may be; given back when the last copy goes.
type Place = Option<Arc<OwnedSemaphorePermit>>;

/// Accepts connections and makes their handshakes.
pub struct TlsListener {
    done: mpsc::Receiver<Met>,
    _accepting: AbortOnDropHandle<()>,
}

/// The certificates by which a client proved who it is; none, mostly.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    certificates: Option<Arc<[CertificateDer<'static>]>>,
    /// Held as long as the connection is.
    _place: Place,
}

impl Peer {
    /// The client's own, and those between.
    pub(super) fn chain(&self) -> Option<Chain<'_>> {
        self.certificates.as_deref()?.split_first()
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        let (_, session) = stream.io().get_ref();
        Self {
            certificates: session.peer_certificates().map(Arc::from),
            _place: stream.remote_addr().clone(),
        }
    }
}

impl TlsListener {
    /// Accepts at once, and until it is dropped.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Arc<Tls>) -> Self {
        let (sender, done) = mpsc::channel(DONE);
        let accepting = tokio::spawn(accept(listener, tls, sender));
        Self {
            done,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    /// Nobody asks where a connection is from: whoever it is proves that otherwise.
    type Addr = Place;

    async fn accept(&mut self) -> Met {
        match self.done.recv().await {
            Some(met) => met,
            // Nothing is accepted any more; the server ends by its own signal.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Place> {
        Ok(None)
    }
}

async fn accept(listener: TcpListener, tls: Arc<Tls>, done: mpsc::Sender<Met>) {
    let aside = Arc::new(Aside {
        tls,
        done,
        room: Arc::new(Semaphore::new(CONNECTIONS)),
        quiet: Quiet::default(),
    });
    let mut going: VecDeque<AbortHandle> = VecDeque::with_capacity(HANDSHAKES);
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection at the HTTP door");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        going.retain(|handshake| !handshake.is_finished());
        if going.len() >= HANDSHAKES
            && let Some(oldest) = going.pop_front()
        {
            oldest.abort();
        }
        let handshake = Arc::clone(&aside).greet(stream, from);
        going.push_back(tokio::spawn(handshake).abort_handle());
    }
}

/// What handshakes share.
struct Aside {
    tls: Arc<Tls>,
    done: mpsc::Sender<Met>,
    room: Arc<Semaphore>,
    quiet: Quiet,
}

impl Aside {
    async fn greet(self: Arc<Self>, stream: TcpStream, from: SocketAddr) {
        if let Err(error) = self.shake(stream).await
            && let Some(unsaid) = self.quiet.may_say()
        {
            tracing::warn!(%from, error, unsaid, "a TLS handshake at the HTTP door failed");
        }
    }

    async fn shake(&self, stream: TcpStream) -> Result<(), String> {
        let acceptor = TlsAcceptor::from(self.tls.server());
        let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
        let late = |_| format!("it took longer than {} s", HANDSHAKE.as_secs());
        let stream = shaken.map_err(late)?.map_err(|error| error.to_string())?;
        let place = Arc::clone(&self.room).try_acquire_owned();
        let place = place.map_err(|_| format!("there are {CONNECTIONS} connections already"))?;
        // Nobody takes it when the door closes.
        let _closing = self.done.send((stream, Some(Arc::new(place)))).await;
        Ok(())
    }
}
