//! Tokens of an OpenID Connect issuer: this server as an OAuth 2.1 resource server.
//!
//! A token counts when it is signed by one of the issuer's keys with a public-key algorithm, was made for
//! this server (`aud`), by that issuer (`iss`), and is neither too old nor too new, give or take the skew of
//! clocks. What its bearer may be is what the operator's configuration makes of the groups in it. Nothing
//! else of it is believed, and it is written nowhere.

mod config;
mod keys;
mod sign_in;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use ostler_tools::principal::Principal;
use serde_json::{Map, Value};

pub use config::{Oidc, OidcConfig};
use keys::Keys;
pub use sign_in::CodeFlow;
use sign_in::OidcClient;

/// Longest token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 16 << 10;
/// Most characters of a name.
const NAME_LIMIT: usize = 128;
/// With these only the issuer can sign; what whoever verifies could sign as well is not among them.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// An issuer whose tokens are believed, with its keys.
pub struct Issuer {
    config: Oidc,
    keys: Keys,
}

impl Issuer {
    /// Asks nobody yet: keys are fetched when the first token comes.
    #[must_use]
    pub fn new(config: Oidc) -> Self {
        let keys = Keys::new(&config.issuer);
        Self { config, keys }
    }

    /// The issuer's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.config.issuer
    }

    /// How the console is known to it, where people may sign in by it.
    #[must_use]
    pub fn console(&self) -> Option<&OidcClient> {
        self.config.console.as_ref()
    }

    /// What tokens must be made for.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.config.audience
    }

    /// Whom a token speaks for; nobody when anything about it is not as it must be, or when its bearer is
    /// in no group that may be anything here.
    pub async fn authenticate(&self, token: &str) -> Option<Principal> {
        let claims = self.claims(token, &self.config.audience).await?;
        self.principal(&claims)
    }

    /// What a token says that was made for an audience; nothing when anything about it is not as it must be.
    async fn claims(&self, token: &str, audience: &str) -> Option<Map<String, Value>> {
        if token.len() > TOKEN_LIMIT || token.split('.').count() != 3 {
            return None;
        }
        let header = decode_header(token).ok()?;
        if !ALGORITHMS.contains(&header.alg) {
            return None;
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        let rules = self.rules(header.alg, audience);
        let decoded = decode::<Map<String, Value>>(token, &key, &rules);
        decoded.ok().map(|decoded| decoded.claims)
    }

    fn rules(&self, algorithm: Algorithm, audience: &str) -> Validation {
        let mut rules = Validation::new(algorithm);
        rules.set_issuer(&[&self.config.issuer]);
        rules.set_audience(&[audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.leeway = self.config.skew_seconds;
        rules.validate_nbf = true;
        rules
    }

    /// Names are those of the issuer: `NAME@HOST` is nobody of this machine.
    fn principal(&self, claims: &Map<String, Value>) -> Option<Principal> {
        let name = claims.get(&self.config.name_claim)?.as_str()?;
        let fits = |c: char| !c.is_control() && !c.is_whitespace();
        let usable =
            !name.is_empty() && name.chars().count() <= NAME_LIMIT && name.chars().all(fits);
        let roles = self.config.roles_of(claims.get(&self.config.groups_claim));
        (usable && !roles.is_empty()).then(|| Principal::User {
            name: format!("{name}@{}", self.config.host),
            roles,
        })
    }
}
