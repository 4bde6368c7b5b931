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
    sync::mpsc,
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
/// Connections whose handshake is done that wait to be served.
const DONE: usize = 32;

/// A connection, and from where.
type Met = (TlsStream<TcpStream>, SocketAddr);

/// Accepts connections and makes their handshakes.
pub struct TlsListener {
    done: mpsc::Receiver<Met>,
    address: io::Result<SocketAddr>,
    _accepting: AbortOnDropHandle<()>,
}

/// The certificates by which a client proved who it is; none, mostly.
#[derive(Debug, Clone, Default)]
pub struct Peer(Option<Arc<[CertificateDer<'static>]>>);

impl Peer {
    /// The client's own, and those between.
    pub(super) fn chain(&self) -> Option<Chain<'_>> {
        self.0.as_deref()?.split_first()
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        let (_, session) = stream.io().get_ref();
        Self(session.peer_certificates().map(Arc::from))
    }
}

impl TlsListener {
    /// Accepts at once, and until it is dropped.
    #[must_use]
    pub fn new(listener: TcpListener, tls: Arc<Tls>) -> Self {
        let (sender, done) = mpsc::channel(DONE);
        let address = listener.local_addr();
        let accepting = tokio::spawn(accept(listener, tls, sender));
        Self {
            done,
            address,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Met {
        match self.done.recv().await {
            Some(met) => met,
            // Nothing is accepted any more; the server ends by its own signal.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        let broken = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        self.address.as_ref().copied().map_err(broken)
    }
}

async fn accept(listener: TcpListener, tls: Arc<Tls>, done: mpsc::Sender<Met>) {
    let quiet = Arc::new(Quiet::default());
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
        let acceptor = TlsAcceptor::from(tls.server());
        let handshake = greet(acceptor, stream, from, done.clone(), Arc::clone(&quiet));
        going.push_back(tokio::spawn(handshake).abort_handle());
    }
}

async fn greet(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    from: SocketAddr,
    done: mpsc::Sender<Met>,
    quiet: Arc<Quiet>,
) {
    let error = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            // Nobody takes it when the door closes.
            let _closing = done.send((stream, from)).await;
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it took longer than {} s", HANDSHAKE.as_secs()),
    };
    if let Some(unsaid) = quiet.may_say() {
        tracing::warn!(%from, error, unsaid, "a TLS handshake at the HTTP door failed");
    }
}
