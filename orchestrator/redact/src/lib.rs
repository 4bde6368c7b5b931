//! Takes secrets out of text that goes out of the house or is kept: prompts, recordings, captures.
//!
//! Known values are replaced wherever they stand, also in base64 and line by line; beyond them,
//! whatever has the shape of a credential. Shapes are guesses: known values are the promise.

use std::sync::LazyLock;

use base64::Engine;
use regex::{Captures, Regex, RegexSet};
use serde_json::Value;
use zeroize::Zeroizing;

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";
/// Words that make what a name or flag holds a secret, in lower case, without `_` and `-`.
const NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "credential",
    "signingkey",
    "encryptionkey",
];
/// Shorter values are not looked for: they would be found everywhere.
const SHORTEST: usize = 6;

/// Values that must not leave, in every form that is looked for.
#[derive(Default)]
pub struct Redactor {
    values: Vec<Zeroizing<String>>,
}

/// Credentials by their shape; the first group, where there is one, stays.
const SHAPES: [&str; 15] = [
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\bxox[abposr]-[A-Za-z0-9-]{10,}",
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"\bAIza[A-Za-z0-9_-]{35}",
    r"\bostler_[A-Za-z0-9-]{1,64}_[A-Za-z0-9_-]{43}",
    r"\bnpm_[A-Za-z0-9]{36}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"(?i)\b(bearer\s+|basic\s+)[A-Za-z0-9+/._~=-]{12,}",
    r"([a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,80}:)[^\s/@]{1,200}@",
    r#"(?i)\b((?:[a-z0-9]+[_-])*(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|token|private[_-]?key)\\?["']?\s*[:=]\s*\\?["']?)[^\s"'\\,;&}]{4,}"#,
];

struct Shapes {
    any: RegexSet,
    each: Vec<Regex>,
}

static KNOWN_SHAPES: LazyLock<Option<Shapes>> = LazyLock::new(|| {
    Some(Shapes {
        any: RegexSet::new(SHAPES).ok()?,
        each: SHAPES
            .iter()
            .map(|shape| Regex::new(shape).ok())
            .collect::<Option<_>>()?,
    })
});

impl Redactor {
    /// A redactor that knows these values.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut all = Vec::new();
        for value in values {
            if value.len() < SHORTEST {
                continue;
            }
            let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
            all.push(Zeroizing::new(engine.encode(value)));
            if let Ok(text) = std::str::from_utf8(value) {
                all.push(Zeroizing::new(text.trim().to_owned()));
                all.extend(
                    text.lines()
                        .map(|line| Zeroizing::new(line.trim().to_owned())),
                );
            }
        }
        all.retain(|value| value.len() >= SHORTEST);
        // The longest first, so that no part of one is left beside another.
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self { values: all }
    }

    /// A text without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.replaced(text, &mut |_| REDACTED.to_owned())
    }

    /// A text with every secret replaced by what `by` makes of it. What `by` makes must begin as
    /// [`REDACTED`] does, so that it is known for what it is.
    #[must_use]
    pub fn replaced(&self, text: &str, by: &mut dyn FnMut(&str) -> String) -> String {
        let mut clean = text.to_owned();
        for value in &self.values {
            if clean.contains(value.as_str()) {
                clean = clean.replace(value.as_str(), &by(value));
            }
        }
        let Some(shapes) = KNOWN_SHAPES.as_ref() else {
            // A shape that is no expression would be found by the tests; nothing leaves then.
            return REDACTED.to_owned();
        };
        let matched: Vec<usize> = shapes.any.matches(&clean).iter().collect();
        for shape in matched.iter().filter_map(|index| shapes.each.get(*index)) {
            clean = without_shape(shape, &clean, by);
        }
        clean
    }

    /// Every text in a value, names of fields left alone.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            _ => {}
        }
    }
}

/// A text without one shape; its first group, where there is one, stays.
fn without_shape(shape: &Regex, text: &str, by: &mut dyn FnMut(&str) -> String) -> String {
    let replace = |found: &Captures<'_>| {
        let whole = found.get(0).map_or("", |all| all.as_str());
        let kept = found.get(1).map_or("", |group| group.as_str());
        let secret = whole.strip_prefix(kept).unwrap_or(whole);
        if is_redacted(secret) {
            return whole.to_owned();
        }
        format!("{kept}{}", by(secret))
    };
    shape.replace_all(text, replace).into_owned()
}

fn is_redacted(text: &str) -> bool {
    text.starts_with(REDACTED.trim_end_matches(']'))
}

/// Whether what stands under a name, such as a variable's or a flag's, is a secret by that name.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    NAMES.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_values_go_in_every_form() {
        let redactor = Redactor::new([
            &b"hunter2-hunter2"[..],
            b"short",
            b"line one xx\nline two yy\n",
        ]);
        let base64 = base64::engine::general_purpose::STANDARD.encode("hunter2-hunter2");
        let text = format!("a hunter2-hunter2b {base64} line two yy! short");
        assert_eq!(
            redactor.text(&text),
            "a [redacted]b [redacted] [redacted]! short"
        );
        let mut value = json!({ "messages": [{ "content": "x hunter2-hunter2" }], "n": 1 });
        redactor.value(&mut value);
        assert_eq!(
            value,
            json!({ "messages": [{ "content": "x [redacted]" }], "n": 1 })
        );
    }

    #[test]
    fn credentials_are_known_by_their_shape() {
        let redactor = Redactor::default();
        for (text, clean) in [
            ("key AKIAIOSFODNN7EXAMPLE end", "key [redacted] end"),
            (
                "token ghp_abcdefghijklmnopqrstuvwxyz0123456789",
                "token [redacted]",
            ),
            ("sk-proj-abcdefghijklmnop1234", "[redacted]"),
            (
                "Authorization: Bearer abcdef0123456789",
                "Authorization: Bearer [redacted]",
            ),
            (
                "postgres://app:s3cr3t@db:5432/x",
                "postgres://app:[redacted]db:5432/x",
            ),
            (
                r#"{"password":"correct horse"}"#,
                r#"{"password":"[redacted] horse"}"#,
            ),
            (
                r#"{\"db_password\":\"correct\"}"#,
                r#"{\"db_password\":\"[redacted]\"}"#,
            ),
            ("API_KEY=abcd1234 next", "API_KEY=[redacted] next"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_d", "[redacted]"),
            (
                "-----BEGIN RSA PRIVATE KEY----- MIIE more -----END RSA PRIVATE KEY----- x",
                "[redacted] x",
            ),
        ] {
            assert_eq!(redactor.text(text), clean);
        }
    }

    #[test]
    fn a_secret_can_leave_something_to_tell_it_by() {
        let redactor = Redactor::new([&b"hunter2-hunter2"[..]]);
        let mut seen = Vec::new();
        let text = "password=hunter2-hunter2 token: abcd1234";
        let clean = redactor.replaced(text, &mut |secret| {
            seen.push(secret.to_owned());
            format!("[redacted-{}]", seen.len())
        });
        assert_eq!(clean, "password=[redacted-1] token: [redacted-2]");
        assert_eq!(seen, ["hunter2-hunter2", "abcd1234"]);
    }

    #[test]
    fn names_say_what_is_secret() {
        for name in ["DB_PASSWORD", "--api-key", "GITHUB_TOKEN", "client.secret"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["MODE", "KEYBOARD", "--port", "PATH"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn ordinary_text_stays() {
        let redactor = Redactor::default();
        for text in [
            "shop/cart: image shop/cart:1 to shop/cart:2, restarted 3 times",
            "call_12 shows http://10.88.0.4:8080/ready answered 503",
            "panic: unknown flag LEGACY_PRICES at src/main.rs:17",
            "the secret `shop/db` is missing",
        ] {
            assert_eq!(redactor.text(text), text);
        }
    }
}
