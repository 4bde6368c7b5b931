//! What a model must answer: one JSON object, its schema generated from these types.
//!
//! The schema keeps to what strict structured output accepts: every field required, nothing else
//! allowed, no bounds. Bounds are held by [`crate::check`].

use ostler_core::incident::CauseKind;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A model's conclusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// `healthy`: nothing is wrong; `unresolved`: something is, but evidence does not settle it or
    /// there is no safe action; `proposal`: what to do about it.
    pub verdict: Kind,
    /// What is going on, in one to three sentences.
    pub explanation: String,
    /// The believed cause; needed for a proposal.
    pub cause: Option<AnsweredCause>,
    /// What to do; needed for a proposal.
    pub proposal: Option<AnsweredProposal>,
    /// Other causes that were considered, each with why it is less likely.
    pub alternatives: Vec<String>,
    /// Whether a person should be called now.
    pub call_person: bool,
}

/// Sorts of conclusions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing is wrong.
    Healthy,
    /// No safe action.
    Unresolved,
    /// There is something to do.
    Proposal,
}

/// A believed cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnsweredCause {
    /// The kind.
    pub kind: CauseKind,
    /// The service at fault, as `namespace/name`.
    pub culprit: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// What shows it; at least one.
    pub evidence: Vec<Cite>,
}

/// A claim and the call that showed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cite {
    /// What is claimed.
    pub claim: String,
    /// The id of the call whose answer shows it, such as `call_…`, exactly as it was given.
    pub call: String,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnsweredProposal {
    /// One line for people.
    pub title: String,
    /// The calls, in order; one is best.
    pub calls: Vec<AnsweredCall>,
    /// What should be seen afterwards.
    pub expected: String,
    /// The service to watch afterwards, as `namespace/name`.
    pub verify_service: String,
    /// Seconds for which it must stay healthy.
    pub verify_hold_seconds: u64,
    /// Seconds by when it must be healthy.
    pub verify_within_seconds: u64,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnsweredCall {
    /// The tool's name.
    pub tool: String,
    /// The tool's arguments: a JSON object, written as text.
    pub arguments_json: String,
    /// Why.
    pub reason: String,
}

/// The schema of [`Answer`], in the form that strict structured output accepts.
#[must_use]
pub fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Answer>();
    let mut schema = schema.to_value();
    if let Value::Object(fields) = &mut schema {
        fields.remove("$schema");
        fields.remove("title");
    }
    strict(&mut schema);
    schema
}

/// Every property required, no others, no bounds or formats, choices as a plain list.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(choices)) = fields.remove("oneOf") {
                let names = choices
                    .iter()
                    .filter_map(|choice| choice.get("const").cloned());
                fields.insert("type".to_owned(), "string".into());
                fields.insert("enum".to_owned(), names.collect());
            }
            for bound in ["format", "minimum", "maximum", "default"] {
                if fields.get(bound).is_some_and(|value| !value.is_object()) {
                    fields.remove(bound);
                }
            }
            if let Some(Value::Object(properties)) = fields.get("properties") {
                let names: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
                fields.insert("required".to_owned(), Value::Array(names));
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            fields.values_mut().for_each(strict);
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        _ => {}
    }
}

/// Reads an answer out of what a model wrote: the object alone, or fenced as code.
///
/// # Errors
/// What is wrong with it, for the model to mend.
pub fn read(text: &str) -> Result<Answer, String> {
    let text = text.trim();
    let inner = text
        .strip_prefix("```json")
        .or_else(|| text.strip_prefix("```"))
        .and_then(|rest| rest.trim_end().strip_suffix("```"))
        .unwrap_or(text);
    serde_json::from_str(inner).map_err(|error| format!("the answer is not of the schema: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_object(schema: &Value, test: &mut impl FnMut(&serde_json::Map<String, Value>)) {
        match schema {
            Value::Object(fields) => {
                if fields.contains_key("properties") {
                    test(fields);
                }
                fields.values().for_each(|value| every_object(value, test));
            }
            Value::Array(items) => items.iter().for_each(|item| every_object(item, test)),
            _ => {}
        }
    }

    #[test]
    fn the_schema_is_what_strict_output_accepts() {
        let schema = schema();
        let text = schema.to_string();
        for word in ["$ref", "$defs", "oneOf", "minimum", "\"format\""] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        let mut seen = 0;
        every_object(&schema, &mut |object| {
            seen += 1;
            let properties = object["properties"].as_object().unwrap().len();
            assert_eq!(object["required"].as_array().unwrap().len(), properties);
            assert_eq!(object["additionalProperties"], false);
        });
        assert_eq!(seen, 5);
    }

    #[test]
    fn an_answer_in_a_code_fence_is_read_and_nonsense_is_named() {
        let answer = r#"{"verdict":"healthy","explanation":"fine","cause":null,"proposal":null,
            "alternatives":[],"call_person":false}"#;
        assert_eq!(read(answer).unwrap().verdict, Kind::Healthy);
        assert_eq!(
            read(&format!("```json\n{answer}\n```\n")).unwrap().verdict,
            Kind::Healthy
        );
        for wrong in ["", "hello", "{\"verdict\":\"happy\"}", &answer[..40]] {
            let problem = read(wrong).unwrap_err();
            assert!(
                problem.starts_with("the answer is not of the schema"),
                "{problem}"
            );
        }
    }
}
