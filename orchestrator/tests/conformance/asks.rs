//! Tools that ask the client while they run, as revisions before 2026-07-28 do: a request of the server
//! goes out on the call's stream, the client's answer comes in by a request of its own.

use rmcp::{
    ErrorData,
    model::{CallToolRequestParams, ServerRequest, Tool},
};
use serde_json::{Value, json};

use super::{Called, Context, argument, input, text, tool, wire};

/// This file's tools.
pub fn tools() -> Vec<Tool> {
    let words = json!({ "type": "string", "description": "what to ask" });
    vec![
        tool(
            "test_sampling",
            "Asks the client's model",
            json!({ "prompt": words }),
        ),
        tool(
            "test_elicitation",
            "Asks the person",
            json!({ "message": words }),
        ),
        tool(
            "test_elicitation_sep1034_defaults",
            "Asks with defaults",
            json!({}),
        ),
        tool(
            "test_elicitation_sep1330_enums",
            "Asks to choose",
            json!({}),
        ),
    ]
}

/// Calls one of them.
pub async fn call(request: &CallToolRequestParams, context: &Context) -> Option<Called> {
    let answer = match &*request.name {
        "test_sampling" => {
            let question = input::sampling(argument(request, "prompt"), 100);
            ask(context, question, "LLM response").await
        }
        "test_elicitation" => {
            let schema = json!({
                "type": "object",
                "properties": {
                    "username": { "type": "string", "description": "User's response" },
                    "email": { "type": "string", "description": "User's email address" },
                },
                "required": ["username", "email"],
            });
            let question = elicitation(argument(request, "message"), schema);
            ask(context, question, "User response").await
        }
        "test_elicitation_sep1034_defaults" => {
            let question = elicitation("Check these", defaults());
            ask(context, question, "Elicitation completed").await
        }
        "test_elicitation_sep1330_enums" => {
            let question = elicitation("Choose", choices());
            ask(context, question, "Elicitation completed").await
        }
        _ => return None,
    };
    Some(answer)
}

fn elicitation(message: &str, schema: Value) -> Value {
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": schema },
    })
}

async fn ask(context: &Context, question: Value, label: &str) -> Called {
    let question: ServerRequest = wire(question);
    match context.peer.send_request(question).await {
        Ok(answer) => text(format!(
            "{label}: {}",
            serde_json::to_string(&answer).unwrap()
        )),
        Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
    }
}

fn defaults() -> Value {
    json!({ "type": "object", "properties": {
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true },
    } })
}

fn choices() -> Value {
    let titled = |values: [(&str, &str); 3]| {
        values.map(|(value, title)| json!({ "const": value, "title": title }))
    };
    let single = titled([
        ("value1", "First Option"),
        ("value2", "Second Option"),
        ("value3", "Third Option"),
    ]);
    let multi = titled([
        ("value1", "First Choice"),
        ("value2", "Second Choice"),
        ("value3", "Third Choice"),
    ]);
    let options = ["option1", "option2", "option3"];
    json!({ "type": "object", "properties": {
        "untitledSingle": { "type": "string", "enum": options },
        "titledSingle": { "type": "string", "oneOf": single },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
        "titledMulti": { "type": "array", "items": { "anyOf": multi } },
    } })
}
