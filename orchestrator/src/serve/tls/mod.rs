//! TLS at the HTTP door: which certificate is shown, whose certificates clients may bring, and both taken
//! over anew while connections are open.
//!
//! Nothing here decides what anybody may do: it says whom a client's certificate speaks for.

mod config;
mod files;
mod listener;
mod people;
mod spoken;
mod watch;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, UnixTime},
    server::danger::ClientCertVerifier,
};

pub use self::{
    config::{TlsConfig, TlsSettings},
    listener::{Peer, TlsListener},
    people::Certified,
    spoken::Spoken,
};
use self::{files::Files, people::People};

/// What the door speaks with, and where that comes from.
pub struct Tls {
    force: RwLock<Arc<InForce>>,
    source: Mutex<Source>,
}

/// What new connections are made with, and what each request is asked about.
struct InForce {
    server: Arc<ServerConfig>,
    /// None: clients are not asked for certificates.
    clients: Option<Clients>,
}

struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    people: People,
}

/// Where it was read from, and what stood there.
struct Source {
    settings: TlsSettings,
    fingerprint: [u8; 32],
}

/// Read and found good, not in force yet.
pub struct Prepared {
    force: InForce,
    source: Source,
}

/// What another look at the files came to.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    /// As they were.
    Same,
    /// Others, and in force.
    Renewed,
}

impl Tls {
    /// Reads everything.
    ///
    /// # Errors
    /// When a file cannot be read or used; names it.
    fn open(settings: TlsSettings) -> anyhow::Result<Arc<Self>> {
        let Prepared { force, source } = prepared(settings)?;
        Ok(Arc::new(Self {
            force: RwLock::new(Arc::new(force)),
            source: Mutex::new(source),
        }))
    }

    /// Whether these are the names that it was opened with.
    fn is_called(&self, names: &[String]) -> bool {
        self.lock().settings.names == names
    }

    /// Connections and requests from now on go by this.
    fn put(&self, prepared: Prepared) {
        let mut held = self.lock();
        *self.force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(prepared.force);
        *held = prepared.source;
    }

    /// Looks at the files again, and takes over what is new in them.
    fn look(&self) -> anyhow::Result<Looked> {
        let (settings, before) = {
            let held = self.lock();
            (held.settings.clone(), held.fingerprint)
        };
        let files = Files::read(&settings)?;
        if files.fingerprint() == before {
            return Ok(Looked::Same);
        }
        let force = in_force(&settings, &files)?;
        let fingerprint = files.fingerprint();
        let mut held = self.lock();
        // Whoever read the configuration meanwhile goes before.
        if held.settings == settings {
            *self.force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(force);
            held.fingerprint = fingerprint;
        }
        Ok(Looked::Renewed)
    }

    /// Whom a client's certificate speaks for, now: the authority, the list of those revoked and the end of
    /// its time are looked at with every request, not only when the connection was made.
    #[must_use]
    pub fn who(&self, peer: &Peer) -> Certified {
        let Some((own, chain)) = peer.chain() else {
            return Certified::Nothing;
        };
        let force = self.in_force();
        let Some(clients) = &force.clients else {
            return Certified::Ended;
        };
        match clients
            .verifier
            .verify_client_cert(own, chain, UnixTime::now())
        {
            Ok(_) => clients.people.of(own),
            Err(_) => Certified::Ended,
        }
    }

    /// Whether clients may bring certificates.
    #[must_use]
    pub fn knows_clients(&self) -> bool {
        self.in_force().clients.is_some()
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.in_force().server.clone()
    }

    fn in_force(&self) -> Arc<InForce> {
        self.force
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prepared(settings: TlsSettings) -> anyhow::Result<Prepared> {
    let files = Files::read(&settings)?;
    let force = in_force(&settings, &files)?;
    let fingerprint = files.fingerprint();
    let source = Source {
        settings,
        fingerprint,
    };
    Ok(Prepared { force, source })
}

fn in_force(settings: &TlsSettings, files: &Files) -> anyhow::Result<InForce> {
    let verifier = files.verifier(settings)?;
    let server = files.server(settings, verifier.clone())?;
    let people = settings
        .clients
        .as_ref()
        .map(|clients| clients.people.clone());
    let clients = verifier.zip(people);
    Ok(InForce {
        server: Arc::new(server),
        clients: clients.map(|(verifier, people)| Clients { verifier, people }),
    })
}

/// A client's own certificate, and those between it and the authority.
type Chain<'a> = (&'a CertificateDer<'static>, &'a [CertificateDer<'static>]);
