//! What an answer cost, as the provider counted it; nothing when it did not say.

use serde_json::Value;

use crate::config::Protocol;

/// Tokens in and out.
pub(crate) type Counted = (u64, u64);

/// Reads the count out of a whole body: JSON, or a stream of events.
pub(crate) fn counted(protocol: Protocol, body: &[u8]) -> Option<Counted> {
    if let Ok(whole) = serde_json::from_slice::<Value>(body) {
        return of_value(protocol, &whole);
    }
    let text = String::from_utf8_lossy(body);
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    events
        .filter_map(|event| serde_json::from_str::<Value>(event.trim()).ok())
        .filter_map(|event| of_value(protocol, &event))
        .next_back()
}

fn of_value(protocol: Protocol, value: &Value) -> Option<Counted> {
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64);
    match protocol {
        Protocol::Openai => {
            let usage = value.get("usage")?;
            Some((
                number(usage, "prompt_tokens")?,
                number(usage, "completion_tokens")?,
            ))
        }
        // Both or nothing: a prompt that Ollama had cached is not counted by it.
        Protocol::Ollama => Some((
            number(value, "prompt_eval_count")?,
            number(value, "eval_count")?,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_whole_and_streamed_or_not_at_all() {
        let whole = br#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2}}"#;
        assert_eq!(counted(Protocol::Openai, whole), Some((10, 2)));
        let streamed = b"data: {\"choices\":[{}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
        assert_eq!(counted(Protocol::Openai, streamed), Some((7, 3)));
        let ollama = br#"{"prompt_eval_count":5,"eval_count":1,"done":true}"#;
        assert_eq!(counted(Protocol::Ollama, ollama), Some((5, 1)));
        assert_eq!(
            counted(Protocol::Ollama, br#"{"eval_count":1,"done":true}"#),
            None
        );
        assert_eq!(counted(Protocol::Openai, b"nonsense"), None);
    }
}
