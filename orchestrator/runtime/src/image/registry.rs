//! Talking to registries: one client each, bounded retries, every answer turned into our words.

use std::{collections::HashMap, net::IpAddr, path::PathBuf, sync::Once, time::Duration};

use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol},
    errors::{OciDistributionError, OciErrorCode},
    secrets::RegistryAuth,
};
use tokio::sync::Mutex;

use super::{ImageError, ImagesConfig, credentials};

static PROVIDER: Once = Once::new();

/// Clients by registry and credentials.
pub(super) struct Registries {
    clients: Mutex<HashMap<String, (RegistryAuth, Client)>>,
    insecure: Vec<String>,
    docker_config: Option<PathBuf>,
    read_timeout: Duration,
}

/// A client together with what to show the registry.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) auth: RegistryAuth,
    pub(super) attempts: u32,
}

impl Registries {
    pub(super) fn new(config: &ImagesConfig) -> Self {
        PROVIDER.call_once(|| {
            // An error means that the program chose a provider before; that one serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        Self {
            clients: Mutex::default(),
            insecure: config.insecure_registries.clone(),
            docker_config: config.docker_config.clone(),
            read_timeout: config.read_timeout,
        }
    }

    /// A session with the registry that the reference names. Credentials are read anew each time;
    /// the client is kept as long as they stay the same.
    pub(super) async fn session(
        &self,
        reference: &Reference,
        attempts: u32,
    ) -> Result<Session, ImageError> {
        let registry = reference.registry();
        let auth = credentials::find(self.docker_config.as_deref(), registry).await?;
        let mut clients = self.clients.lock().await;
        if let Some((known, client)) = clients.get(registry)
            && *known == auth
        {
            return Ok(Session {
                client: client.clone(),
                auth,
                attempts,
            });
        }
        let client = Client::new(self.client_config(registry));
        clients.insert(registry.to_owned(), (auth.clone(), client.clone()));
        Ok(Session {
            client,
            auth,
            attempts,
        })
    }

    fn client_config(&self, registry: &str) -> ClientConfig {
        let plain = is_loopback(registry) || self.insecure.iter().any(|known| known == registry);
        ClientConfig {
            protocol: if plain {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            connect_timeout: Some(Duration::from_secs(5)),
            read_timeout: Some(self.read_timeout),
            user_agent: concat!("ostler/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        }
    }
}

/// Whether a registry (`host` or `host:port`) is on this machine.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A failed request, and whether asking again may help.
pub(super) struct Failure {
    pub(super) error: ImageError,
    pub(super) transient: bool,
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Self {
            error,
            transient: false,
        }
    }
}

/// Tries until it works, the failure is final, or the attempts are used up.
pub(super) async fn retry<T, F>(attempts: u32, mut ask: impl FnMut() -> F) -> Result<T, ImageError>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut wait = Duration::from_millis(200);
    for _ in 1..attempts.max(1) {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(failure) if !failure.transient => return Err(failure.error),
            Err(failure) => tracing::debug!(error = %failure.error, "asking the registry again"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
    ask().await.map_err(|failure| failure.error)
}

/// What a registry's answer means.
pub(super) fn understand(reference: &Reference, error: &OciDistributionError) -> Failure {
    use OciDistributionError as E;
    let registry = reference.registry().to_owned();
    let detail = cause(error);
    let unavailable = |transient| Failure {
        error: ImageError::RegistryUnavailable {
            registry: registry.clone(),
            detail: detail.clone(),
        },
        transient,
    };
    match error {
        E::ImageManifestNotFoundError(_) | E::ServerError { code: 404, .. } => {
            not_found(reference).into()
        }
        E::RegistryError { envelope, .. } => {
            match envelope.errors.first().map(|error| &error.code) {
                Some(code) if is_missing(code) => not_found(reference).into(),
                Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => {
                    refused(reference, detail).into()
                }
                Some(OciErrorCode::Toomanyrequests) => unavailable(true),
                _ => unavailable(false),
            }
        }
        E::UnauthorizedError { .. }
        | E::AuthenticationFailure(_)
        | E::ServerError {
            code: 401 | 403, ..
        } => refused(reference, detail).into(),
        E::ServerError { code, .. } => unavailable(*code == 429 || *code >= 500),
        E::DigestError(_) => {
            ImageError::corrupt(format!("image `{}`", reference.whole()), detail).into()
        }
        E::RequestError(_) | E::IoError(_) => unavailable(true),
        _ => unavailable(false),
    }
}

fn is_missing(code: &OciErrorCode) -> bool {
    matches!(
        code,
        OciErrorCode::ManifestUnknown
            | OciErrorCode::NameUnknown
            | OciErrorCode::NotFound
            | OciErrorCode::ManifestBlobUnknown
            | OciErrorCode::BlobUnknown
    )
}

fn not_found(reference: &Reference) -> ImageError {
    ImageError::NotFound {
        reference: reference.whole(),
        place: format!("in registry `{}`", reference.registry()),
    }
}

fn refused(reference: &Reference, detail: String) -> ImageError {
    ImageError::Refused {
        registry: reference.registry().to_owned(),
        reference: reference.whole(),
        detail,
    }
}

/// The innermost cause, which says more than the layers around it; capped.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
