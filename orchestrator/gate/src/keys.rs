//! The daemon's two keys: Ed25519 signs checkpoints, XChaCha20-Poly1305 seals secrets. Files, 0600.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
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

use crate::audit::Signer;

const NONCE: usize = 24;

const SIGNING: &str = "audit-signing.key";
/// A new signing key until the log is signed by it.
const NEXT: &str = "audit-signing.next.key";
const SEALING: &str = "secret-sealing.key";

/// The keys, in memory.
pub struct Keys {
    signing: Mutex<Signing>,
    sealing: Zeroizing<[u8; 32]>,
    /// Where they are kept.
    dir: Option<PathBuf>,
}

/// The log's key, and the one that is to follow it.
struct Signing {
    now: SigningKey,
    next: Option<SigningKey>,
    /// Whether the file of the key that signs now still stands in the next one's place.
    to_move: bool,
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

impl KeyError {
    fn is_absent(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
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
        let signing = key(&dir.join(SIGNING))?;
        let sealing = key(&dir.join(SEALING))?;
        let next = match read(&dir.join(NEXT)) {
            Err(error) if error.is_absent() => None,
            next => {
                let next = next?;
                Some(SigningKey::from_bytes(&next))
            }
        };
        Ok(Self {
            signing: Mutex::new(Signing {
                now: SigningKey::from_bytes(&signing),
                next,
                to_move: false,
            }),
            sealing,
            dir: Some(dir.to_owned()),
        })
    }

    /// New keys that are kept nowhere.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self {
            signing: Mutex::new(Signing {
                now: SigningKey::from_bytes(&Zeroizing::new(rand::random())),
                next: None,
                to_move: false,
            }),
            sealing: Zeroizing::new(rand::random()),
            dir: None,
        }
    }

    /// What signs the log now.
    pub(crate) fn signer(&self) -> Signer {
        Signer::new(self.signing().now.clone())
    }

    /// What is to sign the log next, on disk already. As long as the log is not known to be signed by it, it
    /// is always the same: whether a write that failed was written after all is known at the next start only.
    ///
    /// # Errors
    /// When its file cannot be written, or the one of the key that signs now still stands in its place and
    /// cannot be moved.
    pub(crate) fn next_signer(&self) -> Result<Signer, KeyError> {
        let mut signing = self.signing();
        self.put_in_place(&mut signing)?;
        if signing.next.is_none() {
            let next = match &self.dir {
                Some(dir) => make(&dir.join(NEXT))?,
                None => Zeroizing::new(rand::random()),
            };
            signing.next = Some(SigningKey::from_bytes(&next));
        }
        let next = signing.next.clone().unwrap_or_else(|| signing.now.clone());
        Ok(Signer::new(next))
    }

    /// The log is signed by the next key: the one before is no more. A file that cannot be moved now is at
    /// the next start.
    pub(crate) fn took_over(&self) {
        let mut signing = self.signing();
        let Some(next) = signing.next.take() else {
            return;
        };
        signing.now = next;
        signing.to_move = true;
        if let Err(error) = self.put_in_place(&mut signing) {
            tracing::error!(%error, "the log's key changed, but the old key's file could not be replaced yet");
        }
    }

    /// Moves the file of the key that signs now to its place, if it is not there yet: until then it is the only
    /// one of that key, and no other may be written over it.
    fn put_in_place(&self, signing: &mut Signing) -> Result<(), KeyError> {
        if let Some(dir) = self.dir.as_deref().filter(|_| signing.to_move) {
            let path = dir.join(SIGNING);
            let moved = fs::rename(dir.join(NEXT), &path);
            let moved = moved.and_then(|()| fs::File::open(dir)?.sync_all());
            moved.map_err(|source| KeyError::File {
                operation: "replace",
                path,
                source,
            })?;
        }
        signing.to_move = false;
        Ok(())
    }

    /// At the start: whether a change of the key that was under way came through, by what the log says.
    pub(crate) fn settle(&self, last: Option<&str>) {
        let next = self.signing().next.clone().map(Signer::new);
        let Some(next) = next else { return };
        if last == Some(next.public_key().as_str()) {
            return self.took_over();
        }
        self.signing().next = None;
        if let Some(dir) = &self.dir {
            let _absent = fs::remove_file(dir.join(NEXT));
        }
    }

    fn signing(&self) -> MutexGuard<'_, Signing> {
        self.signing.lock().unwrap_or_else(PoisonError::into_inner)
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
        Err(error) if error.is_absent() => make(path),
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
        assert_eq!(made.signer().public_key(), again.signer().public_key());
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
    fn a_change_of_the_key_that_was_cut_off_is_settled_by_what_the_log_says() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Keys::open_or_create(dir.path()).unwrap();
        let there = || dir.path().join(NEXT).exists();
        let keys = open();
        let (now, next) = (keys.signer().public_key(), keys.next_signer().unwrap());
        assert_eq!(
            keys.next_signer().unwrap().public_key(),
            next.public_key(),
            "it stays the same until it is known to sign"
        );
        let other = open();
        other.settle(Some("another key"));
        assert_eq!(other.signer().public_key(), now);
        assert!(!there(), "the log was never signed by it");
        let next = keys.next_signer().map(|_| make(&dir.path().join(NEXT)));
        let next = Signer::new(SigningKey::from_bytes(&next.unwrap().unwrap()));
        let again = open();
        again.settle(Some(&next.public_key()));
        assert_eq!(again.signer().public_key(), next.public_key());
        assert_eq!(open().signer().public_key(), next.public_key());
        assert!(!there());
    }

    #[test]
    fn a_key_whose_file_could_not_be_moved_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open_or_create(dir.path()).unwrap();
        let next = keys.next_signer().unwrap().public_key();
        // Something stands in the way: a directory that is not empty is not replaced by a file.
        let place = dir.path().join(SIGNING);
        fs::remove_file(&place).unwrap();
        fs::create_dir_all(place.join("x")).unwrap();
        keys.took_over();
        assert_eq!(keys.signer().public_key(), next);
        assert!(matches!(keys.next_signer(), Err(KeyError::File { .. })));
        fs::remove_dir_all(&place).unwrap();
        let third = keys.next_signer().unwrap().public_key();
        assert_ne!(third, next);
        let again = Keys::open_or_create(dir.path()).unwrap();
        again.settle(None);
        assert_eq!(again.signer().public_key(), next, "it is in its place now");
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
