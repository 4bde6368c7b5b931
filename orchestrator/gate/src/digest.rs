//! Canonical JSON and hashes over it.

use ostler_core::{change::Change, intent::Sealed, time::Time};
use ostler_tools::{base::Base, contract::Tool};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{keys::Keys, redact::replaced};

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 8785 canonical JSON.
pub(crate) fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| error.to_string())
}

/// Arguments that are too large to be kept leave their hash and length only.
pub(crate) fn capped(arguments: Value, limit: usize) -> Value {
    let bytes = canonical(&arguments).unwrap_or_default();
    if bytes.len() <= limit {
        return arguments;
    }
    let hash = hex(&Sha256::digest(&bytes));
    json!({ "sha256": hash, "bytes": bytes.len() })
}

/// What an approval is bound to: exactly these arguments, this resulting change, on everything as it
/// stands, under these policies. Secrets enter as keyed fingerprints, moments and nonces not at all.
pub(crate) fn call_digest(
    keys: &Keys,
    tool: &Tool,
    args: &Value,
    change: Option<&Change>,
    base: &Base,
) -> String {
    let args = replaced(tool, args, &|secret| keys.fingerprint(&secret.to_string()));
    let change = change.map(timeless);
    let whole = json!({ "tool": tool.name, "arguments": args, "change": change, "base": base });
    let bytes = canonical(&whole).unwrap_or_else(|_| whole.to_string().into_bytes());
    hex(&Sha256::digest(bytes))
}

fn timeless(change: &Change) -> Change {
    let mut change = change.clone();
    match &mut change {
        Change::RestartInstances { at, instances, .. } => {
            *at = Time(0);
            instances.sort();
        }
        Change::PutSecret { sealed, .. } => *sealed = Sealed(String::new()),
        // The arguments say how long; from when is a moment.
        Change::SetFreeze {
            freeze: Some(freeze),
            ..
        } => (freeze.from, freeze.until) = (Time(0), Time(0)),
        Change::TuneScaling {
            tuning: Some(tuning),
            ..
        } => tuning.until = Time(0),
        Change::SetGlass {
            glass: Some(glass), ..
        } => glass.until = Time(0),
        Change::All { changes } => changes.iter_mut().for_each(|part| *part = timeless(part)),
        _ => {}
    }
    change
}
