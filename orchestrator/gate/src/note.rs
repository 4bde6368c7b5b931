//! Signed notes (C2SP `signed-note`, Ed25519): text that somebody stands for under a name.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const ED25519: u8 = 1;
const PRIVATE: &str = "PRIVATE+KEY+";
/// Most characters of a key's name.
const NAME_LIMIT: usize = 100;

/// Signs under a name.
pub struct Signer {
    name: String,
    key: SigningKey,
    id: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

/// A name that cannot stand in a note.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` cannot be the name of a key: give 1 to {NAME_LIMIT} characters without spaces and `+`"
)]
pub struct BadName(String);

impl Signer {
    /// Signs with a key under a name.
    ///
    /// # Errors
    /// When notes cannot carry the name.
    pub fn new(name: &str, key: SigningKey) -> Result<Self, BadName> {
        let fits = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if name.is_empty() || name.chars().count() > NAME_LIMIT || !name.chars().all(fits) {
            return Err(BadName(name.chars().take(NAME_LIMIT).collect()));
        }
        Ok(Self::named(name, key))
    }

    /// Signs with a new key.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn generate(name: &str) -> Result<Self, BadName> {
        Self::new(
            name,
            SigningKey::from_bytes(&Zeroizing::new(rand::random())),
        )
    }

    /// Reads what [`Self::private_key`] wrote; nothing where the text is no such key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().strip_prefix(PRIVATE)?.split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let typed = Zeroizing::new(BASE64.decode(key).ok()?);
        let (kind, seed) = typed.split_first()?;
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.try_into().ok()?);
        let signer = Self::new(name, SigningKey::from_bytes(&seed)).ok()?;
        let fits = *kind == ED25519 && id == crate::digest::hex(&signer.id);
        fits.then_some(signer)
    }

    /// The key itself as text, to be kept where nobody else reads it.
    #[must_use]
    pub fn private_key(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.key.to_bytes());
        let typed = Zeroizing::new([&[ED25519], seed.as_slice()].concat());
        let id = crate::digest::hex(&self.id);
        Zeroizing::new(format!(
            "{PRIVATE}{}+{id}+{}",
            self.name,
            BASE64.encode(&*typed)
        ))
    }

    /// As [`Self::new`], for names that are written in the program.
    pub(crate) fn named(name: &str, key: SigningKey) -> Self {
        Self {
            name: name.to_owned(),
            id: key_id(name, &typed(&key.verifying_key())),
            key,
        }
    }

    /// What checks its notes, as text (C2SP `vkey`): name, key id, algorithm and key.
    #[must_use]
    pub fn public_key(&self) -> String {
        public_key(&self.name, &self.key.verifying_key())
    }

    /// The text with a signature below; it must end with a line's end.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.signature(text))
    }

    /// A note that somebody signed, with a further signature below.
    pub(crate) fn sign_too(&self, note: &str) -> String {
        let text = note.rsplit_once("\n\n").map_or("", |(text, _)| text);
        format!("{note}{}", self.signature(&format!("{text}\n")))
    }

    fn signature(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes());
        let line = BASE64.encode([self.id.as_slice(), &signature.to_bytes()].concat());
        format!("\u{2014} {} {line}\n", self.name)
    }
}

/// A public key as text.
#[must_use]
pub fn public_key(name: &str, key: &VerifyingKey) -> String {
    let typed = typed(key);
    let id = crate::digest::hex(&key_id(name, &typed));
    format!("{name}+{id}+{}", BASE64.encode(&typed))
}

fn typed(key: &VerifyingKey) -> Vec<u8> {
    [&[ED25519], key.as_bytes().as_slice()].concat()
}

fn key_id(name: &str, typed: &[u8]) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update(b"\n")
        .chain_update(typed)
        .finalize();
    hash.iter().take(4).copied().collect()
}

/// Checks what one key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: VerifyingKey,
    id: Vec<u8>,
}

impl Verifier {
    /// Reads a public key; nothing where the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let typed = BASE64.decode(key).ok()?;
        let (kind, key) = typed.split_first()?;
        let key: [u8; 32] = key.try_into().ok()?;
        let fits = *kind == ED25519 && id == crate::digest::hex(&key_id(name, &typed));
        Some(Self {
            name: name.to_owned(),
            key: VerifyingKey::from_bytes(&key).ok().filter(|_| fits)?,
            id: key_id(name, &typed),
        })
    }

    /// Whose key it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The note's text, if this key signed it.
    ///
    /// # Errors
    /// Says what is wrong with the note.
    pub fn open(&self, note: &str) -> Result<String, &'static str> {
        // The text may hold empty lines itself: the last one ends it.
        let (text, signatures) = note.rsplit_once("\n\n").ok_or("it has no signature")?;
        let text = format!("{text}\n");
        let by_this = |line: &str| {
            let signature = self.signature(line);
            signature.is_some_and(|signature| self.key.verify(text.as_bytes(), &signature).is_ok())
        };
        match signatures.lines().any(by_this) {
            true => Ok(text),
            false => Err("its signature is not by this key"),
        }
    }

    fn signature(&self, line: &str) -> Option<Signature> {
        let named = line.strip_prefix("\u{2014} ")?;
        let encoded = named.strip_prefix(&self.name)?.strip_prefix(' ')?.trim();
        let bytes = BASE64.decode(encoded).ok()?;
        Signature::from_slice(bytes.strip_prefix(self.id.as_slice())?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(seed: u8) -> Signer {
        Signer::new("night-shift", SigningKey::from_bytes(&[seed; 32])).unwrap()
    }

    #[test]
    fn a_note_opens_with_its_key_only_and_as_it_was_signed() {
        let verifier = Verifier::parse(&signer(7).public_key()).unwrap();
        for text in ["one line\n", "two\n\nparts\n", "— night-shift AAAA\n"] {
            let note = signer(7).sign(text);
            assert_eq!(verifier.open(&note).as_deref(), Ok(text));
            let stranger = Verifier::parse(&signer(8).public_key()).unwrap();
            assert!(stranger.open(&note).is_err());
            assert!(verifier.open(&note.replacen(['o', 'A'], "x", 1)).is_err());
            assert!(verifier.open(text).is_err());
        }
    }

    #[test]
    fn a_key_is_kept_as_text_and_found_again() {
        let made = Signer::generate("night-shift").unwrap();
        let again = Signer::parse(&format!("{}\n", *made.private_key())).unwrap();
        assert_eq!(made.public_key(), again.public_key());
        assert!(!format!("{made:?}").contains("PRIVATE"));
        for text in [
            "",
            "PRIVATE+KEY+",
            &made.private_key().replacen("night", "other", 1),
            &made.public_key(),
        ] {
            assert!(Signer::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn names_and_keys_that_are_none_are_refused() {
        for name in ["", "a b", "a+b", "a\n", &"x".repeat(101)] {
            assert!(
                Signer::new(name, SigningKey::from_bytes(&[7; 32])).is_err(),
                "{name}"
            );
        }
        let key = signer(7).public_key();
        for text in [
            "",
            "a",
            "a+b+c",
            &key.replacen("night", "other", 1),
            &key.replacen('+', "+0", 1),
        ] {
            assert_eq!(Verifier::parse(text), None, "{text}");
        }
    }
}
