//! Signing people in to the console by the issuer's own page: OpenID Connect's authorization code flow with
//! PKCE (RFC 7636). What comes of it is who somebody is; the gate judges and records the rest.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ostler_console::{Begun, Elsewhere};
use ostler_tools::principal::Principal;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Issuer, keys::FetchError};
use crate::{key_file::read_secret, urls::is_private};

/// How long somebody may take at the issuer's page.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Most who are there at a time; the one who was longest makes room.
const AT_ONCE: usize = 256;

/// How the console is known to the issuer, as it is written in the configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientConfig {
    /// The client's id.
    pub client_id: String,
    /// A file with its secret, where the issuer gave one; relative to the configuration's own folder.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Where people reach the console, such as `https://ostler.example.com:7070`; where absent, what their browser calls
    /// it by. Needed behind a proxy that speaks TLS.
    #[serde(default)]
    pub address: Option<String>,
}

/// The same, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct OidcClient {
    id: String,
    secret: Option<Zeroizing<String>>,
    address: Option<String>,
}

impl std::fmt::Debug for OidcClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OidcClient({})", self.id)
    }
}

impl ClientConfig {
    /// Checks it, and reads the secret.
    ///
    /// # Errors
    /// In words that name the field.
    pub fn check(self, folder: &Path) -> anyhow::Result<OidcClient> {
        if self.client_id.trim().is_empty() {
            anyhow::bail!(
                "`identity.oidc.console.clientId` is empty: give the one that the issuer knows the console by"
            );
        }
        if let Some(address) = &self.address {
            let private = reqwest::Url::parse(address).is_ok_and(|url| is_private(&url));
            if !private || address.ends_with('/') {
                anyhow::bail!(
                    "`identity.oidc.console.address` is `{address}`: give it as https://ostler.example.com:7070, without a slash at the end (plain http on loopback only)"
                );
            }
        }
        let field = "identity.oidc.console.clientSecretFile";
        let secret = (self.client_secret_file)
            .map(|file| -> anyhow::Result<Zeroizing<String>> {
                let bytes = read_secret(field, &folder.join(file))?;
                let text = std::str::from_utf8(&bytes).with_context(|| {
                    format!("`{field}` is not text; write the secret and nothing else")
                })?;
                Ok(Zeroizing::new(text.trim().to_owned()))
            })
            .transpose()?;
        Ok(OidcClient {
            id: self.client_id,
            secret,
            address: self.address,
        })
    }
}

/// The flow, and who is under way.
pub struct CodeFlow {
    issuer: Arc<Issuer>,
    client: OidcClient,
    secure: bool,
    waiting: Mutex<BTreeMap<String, Waiting>>,
}

/// Somebody who was sent to the issuer.
struct Waiting {
    since: Instant,
    browser: Zeroizing<String>,
    verifier: Zeroizing<String>,
    nonce: String,
    back: String,
}

/// What the issuer answers to a code.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl CodeFlow {
    /// Sends people to the issuer, where the console is known to it; `tls` where the console is served with that.
    #[must_use]
    pub fn of(issuer: &Arc<Issuer>, tls: bool) -> Option<Arc<dyn Elsewhere>> {
        let client = issuer.console()?.clone();
        let named = client.address.as_deref();
        let secure = named.map_or(tls, |address| address.starts_with("https:"));
        Some(Arc::new(Self {
            issuer: Arc::clone(issuer),
            client,
            secure,
            waiting: Mutex::default(),
        }))
    }

    fn keep(&self, state: String, waiting: Waiting) {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.since.elapsed() < PATIENCE);
        while all.len() >= AT_ONCE {
            let oldest = all.iter().min_by_key(|(_, one)| one.since);
            let Some(oldest) = oldest.map(|(state, _)| state.clone()) else {
                break;
            };
            all.remove(&oldest);
        }
        all.insert(state, waiting);
    }

    /// Takes who was sent with this state; only the browser that was, and once.
    fn take(&self, state: &str, browser: &str) -> Option<Waiting> {
        use subtle::ConstantTimeEq as _;
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.remove(state)?;
        let same = waiting.browser.as_bytes().ct_eq(browser.as_bytes());
        (bool::from(same) && waiting.since.elapsed() < PATIENCE).then_some(waiting)
    }

    async fn exchange(&self, code: &str, waiting: &Waiting) -> Result<Tokens, FetchError> {
        let endpoints = self.issuer.keys.endpoints().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &waiting.back),
            ("client_id", &self.client.id),
            ("code_verifier", &waiting.verifier),
        ];
        if let Some(secret) = &self.client.secret {
            form.push(("client_secret", secret));
        }
        super::keys::post(&endpoints.token, &form).await
    }
}

#[async_trait]
impl Elsewhere for CodeFlow {
    fn secure(&self) -> bool {
        self.secure
    }

    fn address(&self) -> Option<&str> {
        self.client.address.as_deref()
    }

    async fn begin(&self, back: &str) -> Option<Begun> {
        let endpoints = self.issuer.keys.endpoints().await;
        let endpoints = endpoints.map_err(|error| {
            tracing::warn!(%error, issuer = self.issuer.address(), "nobody can be sent to the issuer's page");
        });
        let mut to = reqwest::Url::parse(&endpoints.ok()?.authorization).ok()?;
        let (state, browser, verifier, nonce) = (fresh(), fresh(), fresh(), fresh());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        to.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", back),
            ("scope", "openid profile"),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let waiting = Waiting {
            since: Instant::now(),
            browser: browser.clone(),
            verifier,
            nonce: nonce.to_string(),
            back: back.to_owned(),
        };
        self.keep(state.to_string(), waiting);
        Some(Begun {
            to: to.into(),
            browser,
        })
    }

    async fn finish(&self, state: &str, code: &str, browser: &str) -> Option<Principal> {
        let waiting = self.take(state, browser)?;
        let tokens = self.exchange(code, &waiting).await;
        let tokens = tokens.map_err(|error| {
            tracing::warn!(%error, issuer = self.issuer.address(), "the issuer does not take a code");
        });
        let claims = self
            .issuer
            .claims(&tokens.ok()?.id_token, &self.client.id)
            .await?;
        let same = |claims: &Map<String, Value>| {
            claims.get("nonce").and_then(Value::as_str) == Some(&waiting.nonce)
        };
        Some(claims)
            .filter(same)
            .and_then(|claims| self.issuer.principal(&claims))
    }
}

/// Something that nobody guesses.
fn fresh() -> Zeroizing<String> {
    let random: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()))
}
