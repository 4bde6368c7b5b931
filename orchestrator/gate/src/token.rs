//! Bearer tokens: the secret is answered once, its hash is kept.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ostler_tools::principal::Principal;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{digest::hex, door::Gate};

/// Longest bearer that is looked at.
const BEARER_LIMIT: usize = 256;

/// A new secret of 256 bits for a name, and its hash.
pub(crate) fn make(name: &str) -> (Zeroizing<String>, String) {
    let random: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
    let secret = Zeroizing::new(format!(
        "ostler_{name}_{}",
        URL_SAFE_NO_PAD.encode(random.as_slice())
    ));
    let hash = hash(&secret);
    (secret, hash)
}

pub(crate) fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

impl Gate {
    /// Who a bearer token speaks for; nobody when it is unknown or has ended. Takes the same time
    /// wherever a wrong token differs.
    pub async fn authenticate(&self, bearer: &str) -> Option<Principal> {
        if bearer.len() > BEARER_LIMIT {
            return None;
        }
        let (hash, now) = (hash(bearer), self.clock.now());
        let records = self.records();
        let mut found = None;
        for token in records.tokens.values() {
            let same: bool = token.hash.as_bytes().ct_eq(hash.as_bytes()).into();
            if same && now < token.expires_at {
                found = Some(Principal::User {
                    name: token.name.clone(),
                    roles: token.roles.clone(),
                });
            }
        }
        found
    }
}
