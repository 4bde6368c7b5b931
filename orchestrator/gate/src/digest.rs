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
    replaced(tool, args, &|_| HIDDEN.to_owned())
}

/// A tool that takes a secret keeps of its arguments only what it knows: a secret under a wrong
/// name is hidden too, also where the call stands inside another's arguments.
fn replaced(tool: &Tool, args: &Value, by: &dyn Fn(&Value) -> String) -> Value {
    if tool.secret_args.is_empty() {
        return args.clone();
    }
    let Value::Object(fields) = args else {
        return Value::String(by(args));
    };
    let schema = (tool.input_schema)();
    let known = |name: &str| schema.pointer("/properties").and_then(|all| all.get(name));
    let mut shown = fields.clone();
    for (name, value) in &mut shown {
        let secret = tool.secret_args.contains(&format!("/{name}").as_str());
        if secret || known(name).is_none() {
            *value = Value::String(by(value));
        }
    }
    if let (Some(inner), Some(arguments)) = (fields.get("tool"), fields.get("arguments")) {
        let found = inner.as_str().and_then(ostler_tools::catalogue::find);
        let hidden = found.map_or_else(
            || Value::String(by(arguments)),
            |inner| replaced(inner, arguments, by),
        );
        shown.insert("arguments".to_owned(), hidden);
    }
    Value::Object(shown)
}

/// Takes out of words whatever secret the arguments held: an error may quote its input.
pub(crate) fn without_secrets<'w>(tool: &Tool, args: &Value, words: &'w str) -> Cow<'w, str> {
    let secrets = std::cell::RefCell::new(Vec::new());
    let _ = replaced(tool, args, &|secret| {
        texts(secret, &mut secrets.borrow_mut());
        String::new()
    });
    let mut clean = Cow::Borrowed(words);
    for form in secrets.into_inner() {
        if form.len() >= 2 && clean.contains(&form) {
            clean = Cow::Owned(clean.replace(&form, HIDDEN));
        }
    }
    clean
}

/// Every text in a value, as it is and as JSON quotes it.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        Value::Array(items) => items.iter().for_each(|value| texts(value, found)),
        Value::String(text) => {
            found.push(value.to_string().trim_matches('"').to_owned());
            found.push(text.clone());
        }
        other => found.push(other.to_string()),
    }
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
    let args = replaced(tool, args, &|secret| keys.fingerprint(&secret.to_string()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_wherever_it_was_written() {
        let planted = [
            ("put_secret", json!({ "secret": "db", "value": "hunter2" })),
            ("put_secret", json!({ "secret": "db", "valeu": "hunter2" })),
            ("put_secret", json!({ "secret": "db", "x": ["hunter2"] })),
            ("put_secret", json!("hunter2")),
            (
                "preview_change",
                json!({ "tool": "put_secret", "arguments": { "val": "hunter2" } }),
            ),
            (
                "preview_change",
                json!({ "tool": "put_secrte", "arguments": { "value": "hunter2" } }),
            ),
            (
                "explain_policy",
                json!({ "tool": "put_secret", "args": { "value": "hunter2" } }),
            ),
        ];
        for (name, args) in planted {
            let tool = ostler_tools::catalogue::find(name).unwrap();
            let shown = redacted(tool, &args).to_string();
            assert!(!shown.contains("hunter2"), "{shown}");
            let words = without_secrets(tool, &args, "unknown: `hunter2`").into_owned();
            assert!(!words.contains("hunter2"), "{args}: {words}");
        }
        let tool = ostler_tools::catalogue::find("preview_change").unwrap();
        let plain = json!({ "tool": "scale_service", "arguments": { "replicas": 3 } });
        assert_eq!(redacted(tool, &plain), plain);
    }
}
