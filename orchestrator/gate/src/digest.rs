//! Canonical JSON, hashes over it, and arguments without their secrets.

use std::borrow::Cow;

use ostler_core::{
    change::Change,
    id::ServiceKey,
    intent::{Intent, Sealed},
    time::Time,
};
use ostler_tools::contract::Tool;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::keys::Keys;

/// What stands where a secret was.
const HIDDEN: &str = "…";

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 8785 canonical JSON.
pub(crate) fn canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| error.to_string())
}

/// The arguments with every secret replaced.
pub(crate) fn redacted(tool: &Tool, args: &Value) -> Value {
    replaced(tool, args, |_| HIDDEN.to_owned())
}

fn replaced(tool: &Tool, args: &Value, by: impl Fn(&Value) -> String) -> Value {
    let mut shown = args.clone();
    for pointer in tool.secret_args {
        if let Some(secret) = shown.pointer_mut(pointer) {
            *secret = Value::String(by(secret));
        }
    }
    shown
}

/// Takes out of words whatever secret the arguments held: an error may quote its input.
pub(crate) fn without_secrets<'w>(tool: &Tool, args: &Value, words: &'w str) -> Cow<'w, str> {
    let mut clean = Cow::Borrowed(words);
    for secret in tool
        .secret_args
        .iter()
        .filter_map(|pointer| args.pointer(pointer))
    {
        let text = secret
            .as_str()
            .map_or_else(|| secret.to_string(), ToOwned::to_owned);
        let quoted = secret.to_string();
        for form in [quoted.trim_matches('"'), text.as_str()] {
            if form.len() >= 2 && clean.contains(form) {
                clean = Cow::Owned(clean.replace(form, HIDDEN));
            }
        }
    }
    clean
}

/// What an approval is bound to: exactly these arguments, this resulting change, on services as they
/// stand, under these policies. Secrets enter as keyed fingerprints, moments and nonces not at all.
pub(crate) fn call_digest(
    keys: &Keys,
    policy: &str,
    tool: &Tool,
    args: &Value,
    change: Option<Bound<'_>>,
) -> String {
    let args = replaced(tool, args, |secret| keys.fingerprint(&secret.to_string()));
    let (change, base) = match change {
        Some(Bound {
            change,
            intent,
            services,
        }) => (json!(timeless(change)), base(intent, services)),
        None => (Value::Null, Value::Null),
    };
    let whole = json!({ "tool": tool.name, "arguments": args, "change": change, "base": base, "policy": policy });
    let bytes = canonical(&whole).unwrap_or_else(|_| whole.to_string().into_bytes());
    hex(&Sha256::digest(bytes))
}

/// A change and what it rests on.
pub(crate) struct Bound<'a> {
    pub(crate) change: &'a Change,
    pub(crate) intent: &'a Intent,
    pub(crate) services: &'a [ServiceKey],
}

fn base(intent: &Intent, services: &[ServiceKey]) -> Value {
    let stand = |key: &ServiceKey| {
        let service = intent.services.get(key);
        (
            key.to_string(),
            service.map_or(Value::Null, |service| {
                json!([service.generation, service.replicas])
            }),
        )
    };
    services
        .iter()
        .map(stand)
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn timeless(change: &Change) -> Change {
    let mut change = change.clone();
    match &mut change {
        Change::RestartInstances { at, instances, .. } => {
            *at = Time(0);
            instances.sort();
        }
        Change::PutSecret { sealed, .. } => *sealed = Sealed(String::new()),
        Change::All { changes } => changes.iter_mut().for_each(|part| *part = timeless(part)),
        _ => {}
    }
    change
}
