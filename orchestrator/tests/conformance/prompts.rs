//! Prompts: plain, with arguments, with a resource, with an image, and one that asks first; and what
//! may follow what was typed.

use rmcp::{
    ErrorData,
    model::{CompleteResult, GetPromptRequestParams, GetPromptResponse, ListPromptsResult},
};
use serde_json::{Value, json};

use super::{
    Context, finished, input,
    plain::{image, resource},
};

/// All of them.
pub fn list() -> ListPromptsResult {
    let needed = |name: &str| json!({ "name": name, "description": "a text", "required": true });
    let prompt = |name: &str, arguments: Value| json!({ "name": name, "description": "a fixture", "arguments": arguments });
    finished(json!({ "prompts": [
        prompt("test_simple_prompt", json!([])),
        prompt("test_prompt_with_arguments", json!([needed("arg1"), needed("arg2")])),
        prompt("test_prompt_with_embedded_resource", json!([needed("resourceUri")])),
        prompt("test_prompt_with_image", json!([])),
        prompt("test_input_required_result_prompt", json!([])),
    ] }))
}

/// One of them.
pub fn get(
    request: &GetPromptRequestParams,
    context: &Context,
) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name: &str| {
        let value = request
            .arguments
            .as_ref()
            .and_then(|arguments| arguments.get(name));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let blocks = match &*request.name {
        "test_simple_prompt" => vec![words("This is a simple prompt for testing.".into())],
        "test_prompt_with_arguments" => vec![words(format!(
            "Prompt with arguments: arg1='{}', arg2='{}'",
            argument("arg1"),
            argument("arg2")
        ))],
        "test_prompt_with_embedded_resource" => vec![
            resource(
                &argument("resourceUri"),
                "text/plain",
                "Embedded resource content for testing.",
            ),
            words("Please process the embedded resource above.".into()),
        ],
        "test_prompt_with_image" => vec![image(), words("Please analyze the image above.".into())],
        "test_input_required_result_prompt" => {
            match input::answered(request.input_responses.as_ref(), "user_context", "context") {
                Some(about) => vec![words(format!("Context: {about}"))],
                None => {
                    let question = input::form("What context should the prompt use?", "context");
                    let asks = json!({ "user_context": question });
                    return Ok(input::required(context, asks, None).into());
                }
            }
        }
        unknown => {
            return Err(ErrorData::invalid_params(
                format!("no prompt `{unknown}`"),
                None,
            ));
        }
    };
    let messages: Vec<Value> = blocks
        .into_iter()
        .map(|block| json!({ "role": "user", "content": block }))
        .collect();
    Ok(GetPromptResponse::Complete(finished(
        json!({ "messages": messages }),
    )))
}

fn words(words: String) -> Value {
    json!({ "type": "text", "text": words })
}

/// What may follow.
pub fn complete(typed: &str) -> CompleteResult {
    let values: Vec<&str> = ["paris", "park", "party", "testing"]
        .into_iter()
        .filter(|value| value.starts_with(typed))
        .collect();
    finished(json!({ "completion": { "total": values.len(), "values": values, "hasMore": false } }))
}
