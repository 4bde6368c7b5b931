//! OpenAI's chat completions.

use std::time::Duration;

use axum::response::Response;
use serde_json::{Value, json};

use crate::{
    Asked, NAME, Reply,
    serve::{error, text_of, too_many, whole},
    wire,
};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

pub(crate) fn answer(asked: &Asked, reply: Reply) -> Response {
    let streamed = asked.body.get("stream") == Some(&Value::Bool(true));
    let body = |text: &str, counted, uses: &[(String, Value)]| {
        if streamed {
            events(asked, text, counted, uses)
        } else {
            completion(asked, text, counted, uses).to_string()
        }
    };
    let kind = if streamed { EVENTS } else { JSON };
    let said = text_of(asked, &reply);
    match (reply, said) {
        (Reply::TooMany(after), _) => too_many(
            after,
            json!({ "error": { "message": "rate limit reached", "type": "requests", "code": "rate_limit_exceeded", "param": null } }),
        ),
        (Reply::Break(status), _) => error(
            status,
            json!({ "error": { "message": "the server had an error", "type": "server_error", "code": null, "param": null } }),
        ),
        (Reply::Stall, _) => {
            let begin = body("I begin", None, &[]);
            whole(kind, wire::stuck(first_half(&begin)))
        }
        (Reply::Hangup(text), _) => {
            let begin = body(&text, None, &[]);
            whole(kind, wire::broken_off(first_half(&begin)))
        }
        (Reply::Garble(text), _) => whole(kind, text),
        (Reply::Use(uses), Some((text, counted))) => whole(
            kind,
            wire::in_pieces(&body(&text, counted, &uses), Duration::ZERO),
        ),
        (Reply::SaySlowly(_, pause), Some((text, counted))) => {
            whole(kind, wire::in_pieces(&body(&text, counted, &[]), pause))
        }
        (_, Some((text, counted))) => whole(
            kind,
            wire::in_pieces(&body(&text, counted, &[]), Duration::ZERO),
        ),
        (_, None) => error(500, Value::Null),
    }
}

fn first_half(text: &str) -> &str {
    let half = text.char_indices().nth(text.chars().count() / 2);
    half.and_then(|(at, _)| text.get(..at)).unwrap_or_default()
}

fn tool_calls(uses: &[(String, Value)]) -> Vec<Value> {
    let call = |(index, (name, arguments)): (usize, &(String, Value))| {
        let function = json!({ "name": name, "arguments": arguments.to_string() });
        json!({ "index": index, "id": format!("call_fake_{index}"), "type": "function", "function": function })
    };
    uses.iter().enumerate().map(call).collect()
}

fn finish(uses: &[(String, Value)]) -> &'static str {
    if uses.is_empty() {
        "stop"
    } else {
        "tool_calls"
    }
}

fn usage(counted: Option<(u64, u64)>) -> Value {
    counted.map_or(Value::Null, |(tokens_in, tokens_out)| {
        json!({ "prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out })
    })
}

fn completion(
    asked: &Asked,
    text: &str,
    counted: Option<(u64, u64)>,
    uses: &[(String, Value)],
) -> Value {
    let message = if uses.is_empty() {
        json!({ "role": "assistant", "content": text, "refusal": null })
    } else {
        json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": tool_calls(uses) })
    };
    json!({
        "id": "chatcmpl-fake", "object": "chat.completion", "created": 0, "model": asked.body.get("model"),
        "system_fingerprint": NAME,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish(uses), "logprobs": null }],
        "usage": usage(counted),
    })
}

/// A stream of events: the text in several deltas, arguments in fragments, usage last.
fn events(
    asked: &Asked,
    text: &str,
    counted: Option<(u64, u64)>,
    uses: &[(String, Value)],
) -> String {
    let mut deltas = vec![json!({ "role": "assistant", "content": "" })];
    let letters: Vec<char> = text.chars().collect();
    deltas.extend(
        letters
            .chunks(40)
            .map(|part| json!({ "content": part.iter().collect::<String>() })),
    );
    for (index, (name, arguments)) in uses.iter().enumerate() {
        let function = json!({ "name": name, "arguments": "" });
        let head = json!({ "index": index, "id": format!("call_fake_{index}"), "type": "function", "function": function });
        deltas.push(json!({ "tool_calls": [head] }));
        let arguments: Vec<char> = arguments.to_string().chars().collect();
        deltas.extend(arguments.chunks(7).map(|part| {
            let part: String = part.iter().collect();
            json!({ "tool_calls": [{ "index": index, "function": { "arguments": part } }] })
        }));
    }
    let choice = |delta: &Value, finish: Value| json!([{ "index": 0, "delta": delta, "finish_reason": finish, "logprobs": null }]);
    let mut choices: Vec<(Value, Value)> = deltas
        .iter()
        .map(|delta| (choice(delta, Value::Null), Value::Null))
        .collect();
    choices.push((choice(&json!({}), finish(uses).into()), Value::Null));
    if counted.is_some() {
        choices.push((json!([]), usage(counted)));
    }
    let event = |(choices, usage): (Value, Value)| {
        let chunk = json!({
            "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0,
            "model": asked.body.get("model"), "system_fingerprint": NAME, "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let mut text: String = choices.into_iter().map(event).collect();
    text.push_str("data: [DONE]\n\n");
    text
}
