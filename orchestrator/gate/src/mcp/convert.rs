//! Between the gate's words and MCP's: tools, and answers.

use std::sync::Arc;

use ostler_tools::contract::{Class, Tool};
use rmcp::model::{
    CallToolResult, ContentBlock, JsonObject, MetaObject, Tool as McpTool, ToolAnnotations,
};
use serde_json::Value;

use crate::answer::{Answer, Outcome};

/// The key in `_meta` of the recorded call's id.
pub const CALL_KEY: &str = "ostler.dev/call";
/// The key in `_meta` of the revision that a change made.
pub const REVISION_KEY: &str = "ostler.dev/revision";
/// The key in `_meta` of the approval that a held call waits for.
pub const APPROVAL_KEY: &str = "ostler.dev/approval";
/// The key in `_meta` of a tool's class.
const CLASS_KEY: &str = "ostler.dev/class";

/// A tool as MCP clients see it. Annotations are hints for clients; the gate never reads them.
#[must_use]
pub fn mcp_tool(tool: &Tool) -> McpTool {
    let looks = matches!(tool.class, Class::Read | Class::ReadData);
    let hints = ToolAnnotations::with_title(tool.title)
        .read_only(looks)
        .destructive(tool.destructive)
        .idempotent(tool.idempotent)
        .open_world(matches!(tool.class, Class::ReadData | Class::Act));
    let mut made = McpTool::new(tool.name, tool.description, object((tool.input_schema)()));
    made.title = Some(tool.title.to_owned());
    made.output_schema = Some(object((tool.output_schema)()));
    made.annotations = Some(hints);
    made.meta = Some(MetaObject(JsonObject::from_iter([(
        CLASS_KEY.to_owned(),
        tool.class.group().into(),
    )])));
    made
}

fn object(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(fields) => Arc::new(fields),
        _ => Arc::default(),
    }
}

/// An answer as MCP clients see it; see the module's convention.
#[must_use]
pub fn result_of(answer: &Answer) -> CallToolResult {
    let recorded = ContentBlock::text(format!("Recorded as `{}`.", answer.call));
    let mut result = if let Outcome::Done { value, .. } = &answer.outcome {
        let mut done =
            CallToolResult::success(vec![ContentBlock::text(value.to_string()), recorded]);
        done.structured_content = Some(value.clone());
        done
    } else {
        let words = ContentBlock::text(words_of(&answer.outcome));
        let mut error = CallToolResult::error(vec![words, recorded]);
        error.structured_content = serde_json::to_value(answer).ok();
        error
    };
    result.meta = Some(meta_of(answer));
    result
}

/// What `_meta` says of an answer.
pub(super) fn meta_of(answer: &Answer) -> MetaObject {
    let mut meta = JsonObject::new();
    meta.insert(CALL_KEY.to_owned(), answer.call.as_str().into());
    match &answer.outcome {
        Outcome::Done {
            revision: Some(revision),
            ..
        } => drop(meta.insert(REVISION_KEY.to_owned(), revision.0.into())),
        Outcome::Held { approval, .. } => {
            meta.insert(APPROVAL_KEY.to_owned(), approval.as_str().into());
        }
        _ => {}
    }
    MetaObject(meta)
}

/// What did not happen and why, in words.
fn words_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { .. } => "done".to_owned(),
        Outcome::Held { approval, words } => {
            format!(
                "held for approval `{approval}`: {words}. Nothing was changed; after the yes, make the same call again"
            )
        }
        Outcome::Denied { words, .. } => format!("denied by policy: {words}"),
        Outcome::Refused { words } => format!("refused: {words}"),
        Outcome::Failed { words } => format!("failed: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_core::id::Revision;

    fn answer(outcome: Outcome) -> Answer {
        Answer {
            call: "call_abc".parse().unwrap(),
            outcome,
        }
    }

    #[test]
    fn done_carries_the_value_and_the_call() {
        let value = serde_json::json!({ "services": [] });
        let result = result_of(&answer(Outcome::Done {
            value: value.clone(),
            revision: Some(Revision(7)),
        }));
        assert_eq!(result.is_error, Some(false));
        assert_eq!(result.structured_content, Some(value));
        let meta = result.meta.unwrap().0;
        assert_eq!(meta.get(CALL_KEY).unwrap(), "call_abc");
        assert_eq!(meta.get(REVISION_KEY).unwrap(), 7);
    }

    #[test]
    fn held_says_so_in_words_and_in_structure() {
        let approval = "apr_1".parse().unwrap();
        let result = result_of(&answer(Outcome::Held {
            approval,
            words: "an operator must say yes".to_owned(),
        }));
        assert_eq!(result.is_error, Some(true));
        let structured = result.structured_content.unwrap();
        assert_eq!(structured["outcome"], "held");
        assert_eq!(structured["approval"], "apr_1");
        assert_eq!(structured["call"], "call_abc");
        let text = serde_json::to_string(&result.content).unwrap();
        assert!(
            text.contains("an operator must say yes") && text.contains("call_abc"),
            "{text}"
        );
    }
}
