//! Whether policy is told that changes are frozen: then nobody is asked for a yes, it waits.

use ostler_agents_kit::{planner::PlannerError, reader::Reader, situation::Cited};
use ostler_tools::answer::Explanation;
use serde_json::{Map, Value, json};

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
    let told: Cited<Explanation> = reader.ask("explain_policy", asked).await?;
    let frozen = told.value.facts.get("frozen").and_then(Value::as_bool);
    Ok(frozen == Some(true))
}
