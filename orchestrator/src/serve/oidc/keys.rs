//! The issuer's public keys: found by its discovery document, kept, and fetched anew when a token names
//! one that is not there (rotation), but not oftener than a flood of such tokens should make us.

use std::{
    sync::{Arc, Once},
    time::{Duration, Instant},
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// Largest document that is read, in bytes.
const DOCUMENT_LIMIT: usize = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(5);
/// A window of time, and how often keys are fetched in one at most.
const WINDOW: Duration = Duration::from_secs(30);
const IN_A_WINDOW: usize = 3;
/// Keys are looked at anew after this long, so that one that was withdrawn stops to count.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// With the issuer out of reach, keys count for this long.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Keys {
    issuer: String,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: Option<(Instant, Arc<JwkSet>)>,
    endpoints: Option<(Instant, Endpoints)>,
    /// Fetches of keys in the last window, and of places.
    tried: Vec<Instant>,
    asked: Vec<Instant>,
}

/// What is used of a discovery document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint: Option<String>,
}

/// Where people are sent, and where codes are taken.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: String,
    pub(super) token: String,
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("cannot ask the issuer: {0}")]
    Ask(#[from] reqwest::Error),
    #[error("the issuer's answer is larger than {DOCUMENT_LIMIT} bytes")]
    Size,
    #[error("the issuer's answer cannot be read: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("the document names another issuer, `{0}`")]
    Issuer(String),
    #[error("its document names an address that is not https")]
    Insecure,
    #[error("its document does not say where people sign in")]
    NoPlace,
    #[error("it was asked too often of late")]
    Often,
}

impl Keys {
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            held: Mutex::default(),
        }
    }

    /// The key that a token names. One that names none must leave no choice.
    pub async fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut held = self.held.lock().await;
        let fresh = held
            .keys
            .as_ref()
            .is_some_and(|(at, _)| at.elapsed() < FRESH);
        let known = held
            .keys
            .as_ref()
            .and_then(|(_, keys)| pick(keys, kid, algorithm));
        if fresh && known.is_some() {
            return known;
        }
        held.tried.retain(|at| at.elapsed() < WINDOW);
        if held.tried.len() >= IN_A_WINDOW {
            return known.filter(|_| !held.is_stale());
        }
        held.tried.push(Instant::now());
        match self.fetch().await {
            Ok((keys, places)) => {
                held.keys = Some((Instant::now(), Arc::new(keys)));
                let now = Instant::now();
                held.endpoints = places.map(|places| (now, places)).or(held.endpoints.take());
            }
            Err(error) => {
                tracing::warn!(%error, issuer = %self.issuer, "the issuer's keys cannot be fetched")
            }
        }
        if held.is_stale() {
            return None;
        }
        held.keys
            .as_ref()
            .and_then(|(_, keys)| pick(keys, kid, algorithm))
    }

    async fn fetch(&self) -> Result<(JwkSet, Option<Endpoints>), FetchError> {
        let client = client()?;
        let found = self.discover(&client).await?;
        self.private(&found.jwks_uri)?;
        let keys = document(&client, &found.jwks_uri).await?;
        Ok((keys, self.places(found).ok()))
    }

    /// Where people sign in; asked for anew every hour, and known for a day with the issuer out of reach.
    pub(super) async fn endpoints(&self) -> Result<Endpoints, FetchError> {
        let mut held = self.held.lock().await;
        let known = held.endpoints.clone();
        if let Some((_, places)) = known.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(places.clone());
        }
        held.asked.retain(|at| at.elapsed() < WINDOW);
        let found = match held.asked.len() >= IN_A_WINDOW {
            true => Err(FetchError::Often),
            false => {
                held.asked.push(Instant::now());
                self.ask_for_places().await
            }
        };
        match (found, known) {
            (Ok(places), _) => {
                held.endpoints = Some((Instant::now(), places.clone()));
                Ok(places)
            }
            (Err(_), Some((at, places))) if at.elapsed() < STALE => Ok(places),
            (Err(error), _) => Err(error),
        }
    }

    async fn ask_for_places(&self) -> Result<Endpoints, FetchError> {
        self.places(self.discover(&client()?).await?)
    }

    fn places(&self, found: Discovery) -> Result<Endpoints, FetchError> {
        let (Some(authorization), Some(token)) =
            (found.authorization_endpoint, found.token_endpoint)
        else {
            return Err(FetchError::NoPlace);
        };
        self.private(&authorization)?;
        self.private(&token)?;
        Ok(Endpoints {
            authorization,
            token,
        })
    }

    async fn discover(&self, client: &reqwest::Client) -> Result<Discovery, FetchError> {
        let place = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let found: Discovery = document(client, &place).await?;
        if found.issuer != self.issuer {
            return Err(FetchError::Issuer(found.issuer.chars().take(200).collect()));
        }
        Ok(found)
    }

    /// An issuer that is spoken to in private names no address that is not.
    fn private(&self, url: &str) -> Result<(), FetchError> {
        match self.issuer.starts_with("https:") && !url.starts_with("https:") {
            true => Err(FetchError::Insecure),
            false => Ok(()),
        }
    }
}

fn client() -> Result<reqwest::Client, FetchError> {
    install_provider();
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    Ok(client.build()?)
}

/// Sends a form; what comes back, as JSON.
pub(super) async fn post<T: DeserializeOwned>(
    url: &str,
    fields: &[(&str, &str)],
) -> Result<T, FetchError> {
    let pairs = fields.iter().map(|(name, value)| {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        format!("{}={}", encode(name), encode(value))
    });
    let body = Zeroizing::new(pairs.collect::<Vec<_>>().join("&"));
    let kind = "application/x-www-form-urlencoded";
    let request = client()?.post(url).header("content-type", kind);
    answer(request.body(body.as_bytes().to_vec())).await
}

impl Held {
    fn is_stale(&self) -> bool {
        self.keys
            .as_ref()
            .is_none_or(|(at, _)| at.elapsed() > STALE)
    }
}

/// TLS needs to know whose cryptography to use; the same as everywhere here.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _installed_before = rustls::crypto::ring::default_provider().install_default();
    });
}

async fn document<T: DeserializeOwned>(
    client: &reqwest::Client,
    url: &str,
) -> Result<T, FetchError> {
    answer(client.get(url)).await
}

async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, FetchError> {
    let mut response = request.send().await?.error_for_status()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > DOCUMENT_LIMIT {
            return Err(FetchError::Size);
        }
    }
    Ok(serde_json::from_slice(&body)?)
}

fn pick(keys: &JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let signs = |key: &&Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let made: Vec<DecodingKey> = keys
        .keys
        .iter()
        .filter(signs)
        .filter(|key| kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid)))
        .filter_map(|key| DecodingKey::from_jwk(key).ok())
        .filter(|key| key.family() == algorithm.family())
        .collect();
    <[DecodingKey; 1]>::try_from(made).ok().map(|[only]| only)
}
