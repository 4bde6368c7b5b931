//! Whether policy is told that changes are frozen: then nobody is asked for a yes, it waits.

use ostler_agents_kit::{planner::PlannerError, reader::Reader, situation::Cited};
use ostler_tools::answer::Explanation;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Asks a tool whose answer is known.
///
/// # Errors
/// When it does not answer, or otherwise than expected.
pub(crate) async fn ask<T: DeserializeOwned>(
    reader: &Reader<'_>,
    tool: &str,
    arguments: Value,
) -> Result<Cited<T>, PlannerError> {
    let arguments = match arguments {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let read = reader.read(tool, arguments).await;
    let read = read.map_err(|error| PlannerError(format!("`{tool}`: {error}")))?;
    let value = serde_json::from_value(read.reply.value)
        .map_err(|error| PlannerError(format!("`{tool}` answers of another version: {error}")))?;
    Ok(Cited {
        call: read.reply.call,
        value,
    })
}

/// Whether a call would be made while changes are frozen.
///
/// # Errors
/// When policy cannot be asked.
pub(crate) async fn is_frozen(
    reader: &Reader<'_>,
    tool: &str,
    arguments: &Map<String, Value>,
) -> Result<bool, PlannerError> {
    let asked = json!({ "tool": tool, "arguments": arguments });
    let told: Cited<Explanation> = ask(reader, "explain_policy", asked).await?;
    let frozen = told.value.facts.get("frozen").and_then(Value::as_bool);
    Ok(frozen == Some(true))
}
