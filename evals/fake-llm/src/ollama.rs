//! Ollama's `/api/chat`, as it answers without streaming.

use std::time::Duration;

use axum::response::Response;
use serde_json::{Value, json};

use crate::{
    Asked, Reply,
    serve::{error, text_of, too_many, whole},
    wire,
};

const JSON: &str = "application/json; charset=utf-8";

pub(crate) fn answer(asked: &Asked, reply: Reply) -> Response {
    if asked.body.get("stream") != Some(&Value::Bool(false)) {
        return error(
            400,
            json!({ "error": "this fake does not stream Ollama's protocol" }),
        );
    }
    let said = text_of(asked, &reply);
    match (reply, said) {
        (Reply::TooMany(after), _) => {
            too_many(after, json!({ "error": "server busy, please try again" }))
        }
        (Reply::Break(status), _) => error(
            status,
            json!({ "error": "llama runner process has terminated" }),
        ),
        (Reply::Stall, _) => whole(JSON, wire::stuck("{\"model\":")),
        (Reply::Hangup(text), _) => {
            let body = message(asked, &text, None, &[]).to_string();
            let half = body
                .char_indices()
                .nth(body.chars().count() / 2)
                .map_or(0, |(at, _)| at);
            whole(JSON, wire::broken_off(body.get(..half).unwrap_or_default()))
        }
        (Reply::Garble(text), _) => whole(JSON, text),
        (Reply::Use(uses), Some((text, counted))) => {
            let body = message(asked, &text, counted, &uses).to_string();
            whole(JSON, wire::in_pieces(&body, Duration::ZERO))
        }
        (Reply::SaySlowly(_, pause), Some((text, counted))) => whole(
            JSON,
            wire::in_pieces(&message(asked, &text, counted, &[]).to_string(), pause),
        ),
        (_, Some((text, counted))) => whole(
            JSON,
            wire::in_pieces(
                &message(asked, &text, counted, &[]).to_string(),
                Duration::ZERO,
            ),
        ),
        (_, None) => error(500, Value::Null),
    }
}

fn message(
    asked: &Asked,
    text: &str,
    counted: Option<(u64, u64)>,
    uses: &[(String, Value)],
) -> Value {
    let call = |(name, arguments): &(String, Value)| json!({ "function": { "name": name, "arguments": arguments } });
    let calls: Vec<Value> = uses.iter().map(call).collect();
    let message = if calls.is_empty() {
        json!({ "role": "assistant", "content": text })
    } else {
        json!({ "role": "assistant", "content": text, "tool_calls": calls })
    };
    let mut body = json!({
        "model": asked.body.get("model"), "created_at": "2026-01-01T00:00:00Z", "message": message,
        "done_reason": "stop", "done": true,
    });
    // A cached prompt is not counted by the real one either; then all counts are missing here.
    if let (Value::Object(fields), Some((tokens_in, tokens_out))) = (&mut body, counted) {
        let counts = [
            ("total_duration", 1_000),
            ("load_duration", 1),
            ("prompt_eval_count", tokens_in),
            ("prompt_eval_duration", 1),
            ("eval_count", tokens_out),
            ("eval_duration", 1),
        ];
        fields.extend(counts.map(|(name, count)| (name.to_owned(), count.into())));
    }
    body
}
