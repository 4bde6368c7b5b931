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
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce, aead::Aead as _};
use ostler_console::{Begun, Elsewhere};
use ostler_tools::principal::Principal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Issuer, keys::FetchError};
use crate::{key_file::read_secret, urls::is_private};

/// How long somebody may take at the issuer's page, in milliseconds.
const PATIENCE_MS: u64 = 10 * 60 * 1_000;
const NONCE: usize = 24;

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

/// The flow. Who is under way is kept by their own browser, sealed: strangers who begin and do not come back
/// take nobody's place.
pub struct CodeFlow {
    issuer: Arc<Issuer>,
    client: OidcClient,
    secure: bool,
    seal: XChaCha20Poly1305,
    began: Instant,
    /// Ways that somebody came back by, each until it is too old anyhow.
    used: Mutex<BTreeMap<String, Instant>>,
}

/// Somebody who was sent to the issuer.
#[derive(Serialize, Deserialize)]
struct Waiting {
    /// When, in milliseconds since the flow began.
    since: u64,
    state: String,
    verifier: String,
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
            seal: XChaCha20Poly1305::new(&rand::random::<[u8; 32]>().into()),
            began: Instant::now(),
            used: Mutex::default(),
        }))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What a browser keeps of its way.
    fn seal(&self, waiting: &Waiting) -> Option<Zeroizing<String>> {
        let text = Zeroizing::new(serde_json::to_vec(waiting).ok()?);
        let nonce: [u8; NONCE] = rand::random();
        let sealed = self.seal.encrypt(&XNonce::from(nonce), text.as_slice());
        let whole = [nonce.as_slice(), &sealed.ok()?].concat();
        Some(Zeroizing::new(URL_SAFE_NO_PAD.encode(whole)))
    }

    /// The way that a browser was sent on with this state, if it was not too long ago.
    fn open(&self, state: &str, browser: &str) -> Option<Waiting> {
        let whole = URL_SAFE_NO_PAD.decode(browser).ok()?;
        let (nonce, sealed) = whole.split_at_checked(NONCE)?;
        let nonce = XNonce::try_from(nonce).ok()?;
        let text = Zeroizing::new(self.seal.decrypt(&nonce, sealed).ok()?);
        let waiting: Waiting = serde_json::from_slice(&text).ok()?;
        let late = self.millis().saturating_sub(waiting.since) > PATIENCE_MS;
        let same = bool::from(waiting.state.as_bytes().ct_eq(state.as_bytes()));
        (same && !late).then_some(waiting)
    }

    /// Whether nobody came back by this way yet.
    fn use_up(&self, state: &str) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, at| at.elapsed() < Duration::from_millis(PATIENCE_MS));
        used.insert(state.to_owned(), Instant::now()).is_none()
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
        let (state, verifier, nonce) = (fresh(), fresh(), fresh());
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
            since: self.millis(),
            state,
            verifier,
            nonce,
            back: back.to_owned(),
        };
        let browser = self.seal(&waiting)?;
        Some(Begun {
            to: to.into(),
            browser,
        })
    }

    async fn finish(&self, state: &str, code: &str, browser: &str) -> Option<Principal> {
        let waiting = self.open(state, browser)?;
        let tokens = self.exchange(code, &waiting).await;
        let tokens = tokens.map_err(|error| {
            tracing::warn!(%error, issuer = self.issuer.address(), "the issuer does not take a code");
        });
        let claims = self
            .issuer
            .claims(&tokens.ok()?.id_token, &self.client.id)
            .await?;
        let same = claims.get("nonce").and_then(Value::as_str) == Some(&waiting.nonce);
        let who = self.issuer.principal(&claims)?;
        (same && self.use_up(state)).then_some(who)
    }
}

/// Something that nobody guesses.
fn fresh() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
