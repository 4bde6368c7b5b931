//! Takes secrets out of text that goes out of the house or is kept: prompts, recordings, captures.
//!
//! Known values are replaced wherever they stand, also in base64 and line by line; beyond them,
//! whatever has the shape of a credential: a token by how it begins (`tokens`), a text by what
//! stands around it (`context`). Shapes are guesses: known values are the promise.

mod context;
mod names;
mod shape;
mod tables;
mod tokens;

use base64::Engine;
use serde_json::Value;
use zeroize::Zeroizing;

pub use names::is_secret_name;

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";
/// Shorter values are not looked for: they would be found everywhere.
const SHORTEST: usize = 6;

/// Values that must not leave, in every form that is looked for.
#[derive(Default)]
pub struct Redactor {
    values: Vec<Zeroizing<String>>,
}

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
    /// [`REDACTED`] does and end with `]`, so that it is known for what it is.
    #[must_use]
    pub fn replaced(&self, text: &str, by: &mut dyn FnMut(&str) -> String) -> String {
        let mut clean = text.to_owned();
        for value in &self.values {
            if clean.contains(value.as_str()) {
                clean = clean.replace(value.as_str(), &by(value));
            }
        }
        let without_tokens = tokens::without(&clean, by);
        without_tokens
            .and_then(|clean| context::without(clean, by))
            // A shape that is no expression would be found by the tests; nothing leaves then.
            .unwrap_or_else(|| REDACTED.to_owned())
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

/// Whether nothing but what was put in a secret's place is left in a text, give or take punctuation.
fn is_redacted(text: &str) -> bool {
    text.strip_prefix(REDACTED.trim_end_matches(']'))
        .and_then(|rest| rest.split_once(']'))
        .is_some_and(|(_, after)| !after.contains(|letter: char| letter.is_alphanumeric()))
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
    fn what_a_known_value_leaves_of_a_secret_goes_too() {
        let redactor = Redactor::new([&b"correct"[..], b"correct"]);
        assert_eq!(
            redactor.text(r#"{"password":"correct horse"}"#),
            r#"{"password":"[redacted]"}"#
        );
    }
}
