//! JSON Schemas that every client can read: no numeric formats that only Rust knows, and one type a place.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// The schema of arguments. Optional ones may be left out, so `null` need not be spoken of.
pub(crate) fn of_arguments<T: JsonSchema>() -> Value {
    portable(schemars::schema_for!(T).to_value(), false)
}

/// The schema of an answer, in which `null` stands where there is nothing.
pub(crate) fn of_answer<T: JsonSchema>() -> Value {
    portable(schemars::schema_for!(T).to_value(), true)
}

fn portable(schema: Value, nulls: bool) -> Value {
    match schema {
        Value::Object(fields) => Value::Object(fields_of(fields, nulls)),
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| portable(item, nulls))
                .collect(),
        ),
        other => other,
    }
}

fn fields_of(fields: Map<String, Value>, nulls: bool) -> Map<String, Value> {
    let mut made: Map<String, Value> = fields
        .into_iter()
        .map(|(name, value)| (name, portable(value, nulls)))
        .collect();
    if made
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(is_of_rust)
    {
        made.remove("format");
    }
    if let Some(Value::Array(choices)) = made.get("anyOf")
        && let Some(only) = only_other_than_null(choices).filter(|_| !nulls)
    {
        made.remove("anyOf");
        for (name, value) in only {
            made.entry(name).or_insert(value);
        }
    }
    match made.get("type") {
        Some(Value::Array(types)) => {
            let types = types.clone();
            one_type(made, types, nulls)
        }
        _ => made,
    }
}

/// The one branch of a choice between something and `null`.
fn only_other_than_null(choices: &[Value]) -> Option<Map<String, Value>> {
    let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
    let real: Vec<&Value> = choices.iter().filter(|choice| !is_null(choice)).collect();
    match real.as_slice() {
        [Value::Object(only)] if choices.len() == 2 => Some(only.clone()),
        _ => None,
    }
}

/// A list of types becomes a choice of branches with one type each; words about the whole stay outside.
fn one_type(mut fields: Map<String, Value>, types: Vec<Value>, nulls: bool) -> Map<String, Value> {
    let real: Vec<Value> = types
        .into_iter()
        .filter(|name| nulls || name != "null")
        .collect();
    fields.remove("type");
    if let [only] = real.as_slice() {
        fields.insert("type".to_owned(), only.clone());
        if !nulls && fields.get("default") == Some(&Value::Null) {
            fields.remove("default");
        }
        return fields;
    }
    let mut outside = Map::new();
    for name in ["description", "title", "default"] {
        if let Some(value) = fields.remove(name) {
            outside.insert(name.to_owned(), value);
        }
    }
    let branch = |name: Value| {
        let mut branch = if name == "null" {
            Map::new()
        } else {
            fields.clone()
        };
        branch.insert("type".to_owned(), name);
        Value::Object(branch)
    };
    outside.insert("anyOf".to_owned(), real.into_iter().map(branch).collect());
    outside
}

fn is_of_rust(format: &str) -> bool {
    let digits = format.trim_start_matches("uint").trim_start_matches("int");
    let integer = digits.len() < format.len() && digits.bytes().all(|b| b.is_ascii_digit());
    integer || format == "double" || format == "float"
}

/// Any JSON there is. Said in so many words: a schema without a keyword is one that clients warn of.
pub(crate) fn any_json(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["object", "array", "string", "number", "boolean", "null"] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn formats_of_rust_go_and_types_stand_alone() {
        let given = json!({ "type": ["integer", "null"], "format": "uint32", "minimum": 0, "description": "d" });
        assert_eq!(
            portable(given.clone(), false),
            json!({ "type": "integer", "minimum": 0, "description": "d" })
        );
        let branches = json!([{ "type": "integer", "minimum": 0 }, { "type": "null" }]);
        assert_eq!(
            portable(given, true),
            json!({ "anyOf": branches, "description": "d" })
        );
    }

    #[test]
    fn a_choice_with_null_is_plain_where_it_may_be_left_out() {
        let given = json!({ "anyOf": [{ "$ref": "#/$defs/Span" }, { "type": "null" }], "description": "d" });
        assert_eq!(
            portable(given.clone(), false),
            json!({ "$ref": "#/$defs/Span", "description": "d" })
        );
        assert_eq!(portable(given.clone(), true), given);
        assert_eq!(
            portable(json!({ "format": "ipv4" }), true),
            json!({ "format": "ipv4" })
        );
    }
}
