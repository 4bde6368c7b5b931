//! Tools that need input, as 2026-07-28 has it: the answer says what is missing, and the client makes
//! the same call again with it. What a call must remember meanwhile stays here; the client is given a
//! name for it, which nobody can guess and which is good once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use rmcp::{
    ErrorData,
    model::{
        CallToolRequestParams, CallToolResponse, InputRequests, InputRequiredResult,
        InputResponses, Tool,
    },
};
use serde_json::{Value, json};

use super::{Called, Context, text, tool, wire};

/// What unfinished calls remember, by the name that their client was given.
#[derive(Clone, Default)]
pub struct States(Arc<Mutex<HashMap<String, u8>>>);

impl States {
    /// Remembers which round is next.
    fn keep(&self, round: u8) -> String {
        let name = format!("{:032x}", rand::random::<u128>());
        self.0.lock().unwrap().insert(name.clone(), round);
        name
    }

    /// Which round it is; one that was not kept here is refused.
    fn take(&self, request: &CallToolRequestParams) -> Result<u8, ErrorData> {
        let Some(name) = &request.request_state else {
            return Ok(1);
        };
        let known = self.0.lock().unwrap().remove(name);
        known.ok_or_else(|| {
            ErrorData::invalid_params("`requestState` is not one of this server's", None)
        })
    }
}

/// This file's tools.
pub fn tools() -> Vec<Tool> {
    [
        ("test_input_required_result_elicitation", "Asks for a name"),
        ("test_input_required_result_sampling", "Asks a model"),
        ("test_input_required_result_list_roots", "Asks for roots"),
        (
            "test_input_required_result_request_state",
            "Remembers while it asks",
        ),
        (
            "test_input_required_result_multiple_inputs",
            "Asks for three things",
        ),
        (
            "test_input_required_result_multi_round",
            "Asks one after the other",
        ),
        (
            "test_input_required_result_tampered_state",
            "Refuses another's memory",
        ),
        (
            "test_input_required_result_capabilities",
            "Asks what the client can answer",
        ),
        (
            "test_streaming_elicitation",
            "Asks in its answer, not beside it",
        ),
    ]
    .map(|(name, description)| tool(name, description, json!({})))
    .to_vec()
}

/// Calls one of them.
pub fn call(states: &States, request: &CallToolRequestParams, context: &Context) -> Option<Called> {
    let round = match states.take(request) {
        Ok(round) => round,
        Err(refused) => return Some(Err(refused)),
    };
    let given = request.input_responses.as_ref();
    let need = |asks: Value| Ok(required(context, asks, None).into());
    let need_and_keep =
        |asks: Value| Ok(required(context, asks, Some(states.keep(round + 1))).into());
    let answer = match &*request.name {
        "test_input_required_result_elicitation" | "test_streaming_elicitation" => {
            match answered(given, "user_name", "name") {
                Some(name) => text(format!("Hello, {name}!")),
                None => need(json!({ "user_name": form("What is your name?", "name") })),
            }
        }
        "test_input_required_result_sampling" => match of(given, "capital_question", "content") {
            Some(answer) => text(answer.to_string()),
            None => {
                need(json!({ "capital_question": sampling("What is the capital of France?", 100) }))
            }
        },
        "test_input_required_result_list_roots" => match of(given, "client_roots", "roots") {
            Some(roots) => text(roots.to_string()),
            None => need(json!({ "client_roots": roots() })),
        },
        "test_input_required_result_request_state"
        | "test_input_required_result_tampered_state" => {
            match answered(given, "confirm", "ok").filter(|_| round > 1) {
                Some(_) => text("state-ok"),
                None => need_and_keep(json!({ "confirm": yes_or_no("Please confirm") })),
            }
        }
        "test_input_required_result_multiple_inputs" if round > 1 => three(given),
        "test_input_required_result_multiple_inputs" => need_and_keep(json!({
            "user_name": form("What is your name?", "name"),
            "greeting": sampling("Generate a greeting", 50),
            "client_roots": roots(),
        })),
        "test_input_required_result_multi_round" => match round {
            1 => need_and_keep(json!({ "step1": form("Step 1: What is your name?", "name") })),
            2 => need_and_keep(
                json!({ "step2": form("Step 2: What is your favorite color?", "color") }),
            ),
            _ => text("both steps are done"),
        },
        "test_input_required_result_capabilities" => need(json!({
            "user_name": form("What is your name?", "name"),
            "greeting": sampling("Generate a greeting", 50),
        })),
        _ => return None,
    };
    Some(answer)
}

fn three(given: Option<&InputResponses>) -> Result<CallToolResponse, ErrorData> {
    let name = answered(given, "user_name", "name");
    let greeting = of(given, "greeting", "content");
    let roots = of(given, "client_roots", "roots");
    match (name, greeting, roots) {
        (Some(name), Some(greeting), Some(roots)) => text(format!("{name} {greeting} {roots}")),
        _ => Err(ErrorData::invalid_params(
            "an answer is missing: `user_name`, `greeting` and `client_roots` are needed",
            None,
        )),
    }
}

/// Asks of this client what it said it can answer.
pub fn required(context: &Context, asks: Value, state: Option<String>) -> InputRequiredResult {
    let can = context.client_capabilities().unwrap_or_default();
    let mut asks: HashMap<String, Value> = wire(asks);
    asks.retain(|_, ask| match ask.get("method").and_then(Value::as_str) {
        Some("elicitation/create") => can.elicitation.is_some(),
        Some("sampling/createMessage") => can.sampling.is_some(),
        _ => can.roots.is_some(),
    });
    let asks: InputRequests = wire(json!(asks));
    InputRequiredResult::new(Some(asks), state)
}

/// A field of what was given under a name.
fn of<'a>(given: Option<&'a InputResponses>, name: &str, field: &str) -> Option<&'a Value> {
    given?.get(name)?.get(field)
}

/// A field of a form that was accepted.
pub fn answered(given: Option<&InputResponses>, name: &str, field: &str) -> Option<String> {
    of(given, name, "action").filter(|action| *action == "accept")?;
    match of(given, name, "content")?.get(field)? {
        Value::String(words) => Some(words.clone()),
        other => Some(other.to_string()),
    }
}

/// Asks a person for one text.
pub fn form(message: &str, field: &str) -> Value {
    one_field(message, field, "string")
}

/// Asks a person for a yes.
pub fn yes_or_no(message: &str) -> Value {
    one_field(message, "ok", "boolean")
}

/// Asks a person to fill in one field.
pub fn one_field(message: &str, field: &str, kind: &str) -> Value {
    let schema =
        json!({ "type": "object", "properties": { field: { "type": kind } }, "required": [field] });
    json!({
        "method": "elicitation/create",
        "params": { "mode": "form", "message": message, "requestedSchema": schema },
    })
}

/// Asks the client's model.
pub fn sampling(question: &str, max_tokens: u32) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": question } });
    json!({
        "method": "sampling/createMessage",
        "params": { "messages": [message], "maxTokens": max_tokens },
    })
}

fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}
