//! Certificates of evals: signed by an evaluator, believed only where the operator trusts their key.

use std::sync::{PoisonError, RwLock};

use ostler_core::autonomy::Certificate;
use ostler_tools::{contract::Refusal, view::Notary};

use crate::{
    digest::canonical,
    note::{Signer, Verifier},
};

/// The first line of a certificate's text.
const ORIGIN: &str = "ostler.dev/certificate";
/// Most bytes of a note that are read.
const NOTE_LIMIT: usize = 16 << 10;

/// A certificate as a signed note: the origin, the canonical JSON, the signature.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn sign(certificate: &Certificate, signer: &Signer) -> Result<String, String> {
    let json = String::from_utf8(canonical(certificate)?).map_err(|error| error.to_string())?;
    Ok(signer.sign(&format!("{ORIGIN}\n{json}\n")))
}

/// Whose certificates are believed.
#[derive(Debug, Default)]
pub(crate) struct Evaluators(RwLock<Vec<Verifier>>);

impl Evaluators {
    /// Believes these from now on, and nobody else.
    pub(crate) fn trust(&self, keys: Vec<Verifier>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

impl Notary for Evaluators {
    fn open(&self, note: &str) -> Result<(Certificate, String), Refusal> {
        if note.len() > NOTE_LIMIT {
            return Err(Refusal::new(format!(
                "`certificate` has {} bytes; a certificate has {NOTE_LIMIT} at most",
                note.len()
            )));
        }
        let trusted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let opened = |key: &Verifier| Some((key.open(note).ok()?, key.name().to_owned()));
        let Some((text, evaluator)) = trusted.iter().find_map(opened) else {
            let names: Vec<&str> = trusted.iter().map(Verifier::name).collect();
            let names = if names.is_empty() {
                "nobody".to_owned()
            } else {
                names.join(", ")
            };
            return Err(Refusal::new(format!(
                "`certificate` is not signed by an evaluator that this daemon trusts; it trusts {names}. Name the \
                 evaluator's public key under `evaluators` in the configuration file"
            )));
        };
        let json = text
            .strip_prefix(ORIGIN)
            .and_then(|rest| rest.strip_prefix('\n'));
        let json = json.ok_or_else(|| {
            Refusal::new("`certificate` is a signed note, but not a certificate of `ostler eval run --certify`")
        })?;
        let certificate = serde_json::from_str(json).map_err(|error| {
            Refusal::new(format!(
                "`certificate` is not one that this version can read: {error}"
            ))
        })?;
        Ok((certificate, evaluator))
    }
}
