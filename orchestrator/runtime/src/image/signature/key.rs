//! Public keys that images are signed with, as cosign writes them: PEM of a `SubjectPublicKeyInfo`
//! (RFC 5280, RFC 7468). Read once from the configuration; nothing here ever sees a private key.

use rustls::pki_types::{
    SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
    pem::{PemObject, SectionKind},
};
use webpki::{Error, RawPublicKeyEntity, ring};

use super::super::digest::Digest;

/// What cosign's keys sign with, newest habits and older ones. Each fits one kind of key only, so
/// that nobody chooses the algorithm but whoever made the key.
static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 5] = [
    ring::ECDSA_P256_SHA256,
    ring::ECDSA_P384_SHA256,
    ring::ECDSA_P384_SHA384,
    ring::ED25519,
    ring::RSA_PKCS1_2048_8192_SHA256,
];
/// Bytes of the shortest RSA key that is accepted, 2048 bits, with what stands around it.
const RSA_LEAST: usize = 290;
/// Most keys in one text.
const KEYS_LIMIT: usize = 20;

/// A key that images are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: SubjectPublicKeyInfoDer<'static>,
}

/// Why a text holds no key that signatures can be verified with. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is a secret.
    #[error("it is a private key: give the public one, and keep this one from the machine")]
    Private,
    /// Nothing that begins as a public key does.
    #[error("it holds no `-----BEGIN PUBLIC KEY-----`, as `cosign public-key` prints it")]
    Absent,
    /// It begins as one, but is none.
    #[error("its public key is damaged")]
    Damaged,
    /// A key of a kind that nothing here verifies with.
    #[error(
        "its kind of key is not accepted: ECDSA P-256 or P-384, Ed25519, RSA of 2048 bits or more are"
    )]
    Kind,
    /// Too many.
    #[error("it holds more than {KEYS_LIMIT} keys")]
    Many,
}

impl PublicKey {
    /// All keys of a PEM text, at least one.
    ///
    /// # Errors
    /// [`KeyError`] when any of them could not be used.
    pub fn read(pem: &str) -> Result<Vec<Self>, KeyError> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let mut keys = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
            match section.map_err(|_| KeyError::Damaged)? {
                (SectionKind::PublicKey, der) => keys.push(Self::new(der)?),
                _ => return Err(KeyError::Absent),
            }
            if keys.len() > KEYS_LIMIT {
                return Err(KeyError::Many);
            }
        }
        if keys.is_empty() {
            return Err(KeyError::Absent);
        }
        Ok(keys)
    }

    fn new(der: Vec<u8>) -> Result<Self, KeyError> {
        let key = Self {
            der: SubjectPublicKeyInfoDer::from(der),
        };
        let entity = RawPublicKeyEntity::try_from(&key.der).map_err(|_| KeyError::Damaged)?;
        // An algorithm that fits the key fails on the signature, all others on the key.
        let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
            let tried = entity.verify_signature(**algorithm, b"", b"");
            tried == Err(Error::InvalidSignatureForPublicKey)
        };
        let fitting = ALGORITHMS.iter().find(fits).ok_or(KeyError::Kind)?;
        let rsa = ring::RSA_PKCS1_2048_8192_SHA256.public_key_alg_id();
        if fitting.public_key_alg_id() == rsa && key.der.len() < RSA_LEAST {
            return Err(KeyError::Kind);
        }
        Ok(key)
    }

    /// Whether whoever has the other half signed this message.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(entity) = RawPublicKeyEntity::try_from(&self.der) else {
            return false;
        };
        ALGORITHMS.iter().any(|algorithm| {
            entity
                .verify_signature(*algorithm, message, signature)
                .is_ok()
        })
    }
}

/// The key's own digest: keys are public, but long.
impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "key {}", Digest::of(&self.der))
    }
}
