//! Arguments without their secrets, wherever those were written.
//!
//! A tool that takes secrets, or that carries other tools' calls, keeps of its arguments only what
//! its schema knows: a secret under a wrong name or in a wrong shape is hidden too.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, sync::OnceLock};

use ostler_tools::{
    catalogue,
    contract::{Class, Tool},
};
use serde_json::{Map, Value, json};

use crate::keys::Keys;

/// What stands where a secret was.
const HIDDEN: &str = "…";
/// Deepest nesting that is looked at; what lies deeper is hidden.
const DEPTH_LIMIT: usize = 32;

/// The arguments with every secret replaced. What was piped into a command leaves a keyed hash and
/// its length, so that two runs can be told apart; a stored secret leaves nothing.
pub(crate) fn redacted(keys: &Keys, tool: &Tool, args: &Value) -> Value {
    let mut shown = replaced(tool, args, &|_| HIDDEN.to_owned());
    if tool.class == Class::Act {
        for pointer in tool.secret_args {
            let given = args.pointer(pointer).and_then(Value::as_str);
            if let (Some(place), Some(text)) = (shown.pointer_mut(pointer), given) {
                *place = json!({ "keyed_hash": keys.fingerprint(text), "bytes": text.len() });
            }
        }
    }
    shown
}

/// The arguments with every secret replaced by what `by` makes of it.
pub(crate) fn replaced(tool: &Tool, args: &Value, by: &dyn Fn(&Value) -> String) -> Value {
    if tool.secret_args.is_empty() && !tool.carries_calls {
        return args.clone();
    }
    let root = schema_of(tool);
    let walk = Walk {
        root: &root,
        secrets: tool.secret_args,
        by,
    };
    walk.value(&root, args, "", 0)
}

/// A tool's schema; those of the catalogue are made once.
fn schema_of(tool: &Tool) -> Cow<'static, Value> {
    static MADE: OnceLock<BTreeMap<&'static str, Value>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let holds = |tool: &&Tool| tool.carries_calls || !tool.secret_args.is_empty();
        let all = catalogue::ALL.iter().filter(holds);
        all.map(|tool| (tool.name, (tool.input_schema)())).collect()
    });
    let known = made.get(tool.name).map(Cow::Borrowed);
    known.unwrap_or_else(|| Cow::Owned((tool.input_schema)()))
}

/// A walk along a tool's schema.
struct Walk<'a> {
    root: &'a Value,
    secrets: &'a [&'a str],
    by: &'a dyn Fn(&Value) -> String,
}

impl Walk<'_> {
    fn hide(&self, value: &Value) -> Value {
        Value::String((self.by)(value))
    }

    fn value(&self, schema: &Value, value: &Value, path: &str, depth: usize) -> Value {
        let Some(schema) = self.resolve(schema, value, depth) else {
            return self.hide(value);
        };
        if self.secrets.contains(&path) {
            return self.hide(value);
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, path, depth),
            Value::Array(items) => {
                let of = schema.get("items").unwrap_or(&Value::Null);
                let item = |item| self.value(of, item, path, depth + 1);
                items.iter().map(item).collect()
            }
            plain => plain.clone(),
        }
    }

    fn object(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Value {
        let Some(known) = schema.get("properties").and_then(Value::as_object) else {
            return Value::Object(fields.clone());
        };
        let mut shown = Map::new();
        for (name, value) in fields {
            let kept = known.get(name).map_or_else(
                || self.hide(value),
                |field| self.value(field, value, &format!("{path}/{name}"), depth + 1),
            );
            shown.insert(name.clone(), kept);
        }
        if known.contains_key("tool") && known.contains_key("arguments") {
            self.call(fields, &mut shown);
        }
        Value::Object(shown)
    }

    /// Another tool's call: its arguments lose that tool's secrets.
    fn call(&self, fields: &Map<String, Value>, shown: &mut Map<String, Value>) {
        let Some(arguments) = fields.get("arguments") else {
            return;
        };
        let tool = fields.get("tool").and_then(Value::as_str);
        let kept = match tool.and_then(catalogue::find) {
            // Calls do not carry calls that carry calls: what looks like it is hidden.
            Some(tool) if !tool.carries_calls => replaced(tool, arguments, self.by),
            _ => self.hide(arguments),
        };
        shown.insert("arguments".to_owned(), kept);
    }

    /// The schema that a value answers to; nothing when its shape is not what any of them wants.
    fn resolve<'s>(&'s self, schema: &'s Value, value: &Value, depth: usize) -> Option<&'s Value> {
        if depth > DEPTH_LIMIT {
            return None;
        }
        if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(path.strip_prefix('#')?)?;
            return self.resolve(target, value, depth + 1);
        }
        for choice in ["anyOf", "oneOf"] {
            if let Some(choices) = schema.get(choice).and_then(Value::as_array) {
                return choices
                    .iter()
                    .find_map(|one| self.resolve(one, value, depth + 1));
            }
        }
        fits(schema, value).then_some(schema)
    }
}

/// Whether a value has a schema's type. A list of words, or no type at all, is a plain value's.
fn fits(schema: &Value, value: &Value) -> bool {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.contains(value);
    }
    if let Some(word) = schema.get("const") {
        return word == value;
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => kind == "number",
        Some(wanted) => wanted == kind,
        None => false,
    }
}

/// Takes out of words whatever secret the arguments held: an error may quote its input.
pub(crate) fn without_secrets<'w>(tool: &Tool, args: &Value, words: &'w str) -> Cow<'w, str> {
    let secrets = RefCell::new(Vec::new());
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

/// Every text in a value, as it is and as JSON quotes it; also in a text that is itself JSON.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        Value::Array(items) => items.iter().for_each(|value| texts(value, found)),
        Value::String(text) => {
            found.push(value.to_string().trim_matches('"').to_owned());
            found.push(text.clone());
            if text.starts_with(['{', '['])
                && let Ok(inner) = serde_json::from_str(text)
            {
                texts(&inner, found);
            }
        }
        other => found.push(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, args: &Value) -> String {
        let tool = catalogue::find(name).unwrap();
        redacted(&Keys::ephemeral(), tool, args).to_string()
    }

    fn proposed(calls: Value) -> Value {
        json!({ "incident": "inc_1", "proposal": { "title": "t", "calls": calls } })
    }

    /// Calls with a secret where it belongs and where it does not.
    fn planted() -> Vec<(&'static str, Value)> {
        vec![
            ("put_secret", json!({ "secret": "db", "value": "hunter2" })),
            ("put_secret", json!({ "secret": "db", "valeu": "hunter2" })),
            ("put_secret", json!({ "secret": "db", "x": ["hunter2"] })),
            ("put_secret", json!({ "secret": { "db": "hunter2" } })),
            ("put_secret", json!("hunter2")),
            (
                "put_secret",
                json!({ "secret": "db", "encoding": "hunter2" }),
            ),
            (
                "preview_change",
                json!({ "tool": "put_secret", "arguments": { "val": "hunter2" } }),
            ),
            (
                "preview_change",
                json!({ "tool": "put_secrte", "arguments": { "value": "hunter2" } }),
            ),
            (
                "preview_change",
                json!({ "tool": "preview_change", "arguments": { "tool": "put_secret", "arguments": { "value": "hunter2" } } }),
            ),
            (
                "explain_policy",
                json!({ "tool": "put_secret", "args": { "value": "hunter2" } }),
            ),
            (
                "submit_proposal",
                proposed(
                    json!([{ "tool": "put_secret", "arguments": { "secret": "db", "value": "hunter2" } }]),
                ),
            ),
            (
                "submit_proposal",
                proposed(json!([{ "tool": "put_secret", "args": { "value": "hunter2" } }])),
            ),
            (
                "submit_proposal",
                proposed(json!([{ "tool": "put_secret", "value": "hunter2" }])),
            ),
            (
                "submit_proposal",
                proposed(json!("[{\"tool\":\"put_secret\",\"value\":\"hunter2\"}]")),
            ),
            (
                "submit_proposal",
                json!({ "calls": [{ "tool": "put_secret", "arguments": { "value": "hunter2" } }] }),
            ),
            (
                "submit_proposal",
                proposed(json!([{ "tool": "exec_instance", "arguments": { "input": "hunter2" } }])),
            ),
            (
                "exec_instance",
                json!({ "instance": "a-1", "command": ["cat"], "input": "hunter2" }),
            ),
            (
                "exec_instance",
                json!({ "instance": "a-1", "stdin": "hunter2" }),
            ),
            (
                "exec_instance",
                json!({ "instance": "a-1", "input": ["hunter2"] }),
            ),
        ]
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_was_written() {
        for (name, args) in planted() {
            let tool = catalogue::find(name).unwrap();
            let text = shown(name, &args);
            assert!(!text.contains("hunter2"), "{text}");
            let words = without_secrets(tool, &args, "unknown: `hunter2`").into_owned();
            assert!(!words.contains("hunter2"), "{args}: {words}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let keep = [
            (
                "preview_change",
                json!({ "tool": "scale_service", "arguments": { "replicas": 3 } }),
            ),
            (
                "exec_instance",
                json!({ "instance": "a-1", "command": ["cat", "/x"], "timeout": "3s" }),
            ),
            (
                "submit_proposal",
                json!({
                    "incident": "inc_1",
                    "proposal": {
                        "title": "t",
                        "cause": {
                            "kind": "out_of_memory", "culprit": "shop/cart", "confidence": 0.9, "explanation": "e",
                            "evidence": [{ "claim": "c", "call": "call_1", "untrusted": true }],
                        },
                        "calls": [{ "tool": "set_limits", "arguments": { "memory": "96Mi" }, "reason": "r" }],
                        "expected": "x",
                        "verify": { "service": "shop/cart", "state": "healthy", "hold": "30s", "within": "5m" },
                        "alternatives": ["none"],
                    },
                }),
            ),
        ];
        for (name, args) in keep {
            assert_eq!(shown(name, &args), args.to_string(), "{name}");
        }
    }

    #[test]
    fn what_was_piped_in_leaves_a_keyed_hash_and_its_length() {
        let args = json!({ "instance": "a-1", "command": ["cat"], "input": "hunter2" });
        let tool = catalogue::find("exec_instance").unwrap();
        let (keys, others) = (Keys::ephemeral(), Keys::ephemeral());
        let kept = redacted(&keys, tool, &args);
        assert_eq!(kept["input"]["bytes"], 7);
        assert_eq!(kept, redacted(&keys, tool, &args));
        assert_ne!(
            kept,
            redacted(&others, tool, &args),
            "nobody without the key can try out what it was"
        );
    }
}
