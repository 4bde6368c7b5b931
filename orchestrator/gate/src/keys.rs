//! The daemon's two keys: Ed25519 signs checkpoints, XChaCha20-Poly1305 seals secrets. Files, 0600.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use ed25519_dalek::SigningKey;
use ostler_core::intent::{Sealed, SecretKey};
use ostler_tools::{contract::Refusal, view::Sealer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const NONCE: usize = 24;

/// The keys, in memory.
pub struct Keys {
    pub(crate) signing: SigningKey,
    sealing: Zeroizing<[u8; 32]>,
}

/// Why keys could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file cannot be read or written.
    #[error("cannot {operation} the key `{}`", path.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key file holds something else.
    #[error("the key `{}` has {found} bytes where 32 are wanted; restore it from a backup", path.display())]
    Length {
        /// Which file.
        path: PathBuf,
        /// Its length.
        found: usize,
    },
    /// Others can read the key.
    #[error("the key `{}` can be read by others (mode {mode:o}); run `chmod 600` on it", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// Opens the keys of a state directory, making those that are not there.
    ///
    /// # Errors
    /// When a file cannot be read or written, has another length, or can be read by others.
    pub fn open_or_create(dir: &Path) -> Result<Self, KeyError> {
        let signing = key(&dir.join("audit-signing.key"))?;
        let sealing = key(&dir.join("secret-sealing.key"))?;
        Ok(Self {
            signing: SigningKey::from_bytes(&signing),
            sealing,
        })
    }

    /// New keys that are kept nowhere.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self {
            signing: SigningKey::from_bytes(&Zeroizing::new(rand::random())),
            sealing: Zeroizing::new(rand::random()),
        }
    }

    /// Opens a sealed secret; only its own name fits.
    pub(crate) fn open(
        &self,
        name: &SecretKey,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let bytes = BASE64.decode(&sealed.0).map_err(|_| "it is not base64")?;
        let (nonce, text) = bytes.split_at_checked(NONCE).ok_or("it is too short")?;
        let nonce = XNonce::try_from(nonce).map_err(|_| "it is too short")?;
        let bound = bound(name);
        let payload = Payload {
            msg: text,
            aad: bound.as_bytes(),
        };
        let opened = self.cipher().decrypt(&nonce, payload);
        opened
            .map(Zeroizing::new)
            .map_err(|_| "it was sealed with another key or for another name, or was changed")
    }

    /// A fingerprint of a secret argument that tells equal from different and nothing else.
    pub(crate) fn fingerprint(&self, text: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(b"ostler fingerprint\0");
        hash.update(self.sealing.as_slice());
        hash.update(text.as_bytes());
        crate::digest::hex(&hash.finalize())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.sealing).into())
    }
}

impl Sealer for Keys {
    fn seal(&self, name: &SecretKey, value: &[u8]) -> Result<Sealed, Refusal> {
        let nonce: [u8; NONCE] = rand::random();
        let bound = bound(name);
        let sealed = self
            .cipher()
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: value,
                    aad: bound.as_bytes(),
                },
            )
            .map_err(|_| Refusal::new("the secret could not be encrypted"))?;
        Ok(Sealed(BASE64.encode([nonce.as_slice(), &sealed].concat())))
    }
}

fn bound(name: &SecretKey) -> String {
    format!("ostler secret {name}")
}

fn key(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    match read(path) {
        Err(KeyError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            make(path)
        }
        other => other,
    }
}

fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let refuse = |source| KeyError::File {
        operation: "read",
        path: path.to_owned(),
        source,
    };
    let mut file = fs::File::open(path).map_err(refuse)?;
    let mode = file.metadata().map_err(refuse)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(64));
    file.read_to_end(&mut bytes).map_err(refuse)?;
    let found = bytes.len();
    let exact: [u8; 32] = bytes.as_slice().try_into().map_err(|_| KeyError::Length {
        path: path.to_owned(),
        found,
    })?;
    Ok(Zeroizing::new(exact))
}

/// Written beside and renamed, so that a half-written key is never found.
fn make(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let refuse = |source| KeyError::File {
        operation: "write",
        path: path.to_owned(),
        source,
    };
    let fresh: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
    let draft = path.with_extension("new");
    let _ = fs::remove_file(&draft);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(refuse)?;
    file.write_all(fresh.as_slice())
        .and_then(|()| file.sync_all())
        .map_err(refuse)?;
    fs::rename(&draft, path).map_err(refuse)?;
    if let Some(dir) = path.parent() {
        fs::File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(refuse)?;
    }
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let made = Keys::open_or_create(dir.path()).unwrap();
        let again = Keys::open_or_create(dir.path()).unwrap();
        assert_eq!(made.signing.to_bytes(), again.signing.to_bytes());
        let path = dir.path().join("secret-sealing.key");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Keys::open_or_create(dir.path()),
            Err(KeyError::Open { .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(
            Keys::open_or_create(dir.path()),
            Err(KeyError::Length { found: 5, .. })
        ));
    }

    #[test]
    fn a_sealed_secret_opens_only_under_its_own_name() {
        let keys = Keys::ephemeral();
        let name = |text: &str| SecretKey::try_from(text.to_owned()).unwrap();
        let sealed = keys.seal(&name("shop/password"), b"hunter2").unwrap();
        assert!(!sealed.0.contains("hunter2"));
        assert_eq!(
            keys.open(&name("shop/password"), &sealed)
                .unwrap()
                .as_slice(),
            b"hunter2"
        );
        assert!(keys.open(&name("shop/other"), &sealed).is_err());
        assert!(
            Keys::ephemeral()
                .open(&name("shop/password"), &sealed)
                .is_err()
        );
        assert_ne!(
            sealed.0,
            keys.seal(&name("shop/password"), b"hunter2").unwrap().0,
            "nonces are fresh"
        );
    }
}
