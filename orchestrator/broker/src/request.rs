//! What an agent asks for: read, held against what may be asked, and cleaned.

use serde_json::{Map, Value};

use crate::{answer::Refused, config::Protocol};

/// Largest request, in bytes.
pub(crate) const REQUEST_LIMIT: usize = 2 << 20;
/// Most tokens that one answer may have, whatever the agent asks for.
const ANSWER_TOKENS: u64 = 16_000;

/// Fields of a chat completion that are passed on; whatever costs more or reaches further is not here.
const OPENAI_FIELDS: [&str; 13] = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "seed",
    "reasoning_effort",
];
/// Fields of an Ollama chat that are passed on.
const OLLAMA_FIELDS: [&str; 7] = [
    "model", "messages", "tools", "format", "options", "stream", "think",
];
/// Options of an Ollama chat that are passed on.
const OLLAMA_OPTIONS: [&str; 5] = ["num_ctx", "num_predict", "temperature", "seed", "top_p"];

/// A request that may be asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// The model.
    pub model: String,
    /// The body as it is passed on.
    pub body: Value,
    /// Most tokens that can go in: no token is shorter than a byte.
    pub most_in: u64,
    /// Most tokens that can come out.
    pub most_out: u64,
}

/// Reads a request.
///
/// # Errors
/// [`Refused::Request`] says what is not accepted.
pub(crate) fn read(protocol: Protocol, bytes: &[u8]) -> Result<Request, Refused> {
    let refuse = |words: String| Refused::Request(words);
    let body = serde_json::from_slice(bytes)
        .map_err(|error| refuse(format!("the body is not JSON: {error}")))?;
    let Value::Object(mut body) = body else {
        return Err(refuse("the body is not a JSON object".to_owned()));
    };
    body.retain(|_, value| !value.is_null());
    let known: &[&str] = match protocol {
        Protocol::Openai => &OPENAI_FIELDS,
        Protocol::Ollama => &OLLAMA_FIELDS,
    };
    only(&body, known, "the body")?;
    let model = body.get("model").and_then(Value::as_str).map(str::to_owned);
    let model = model.ok_or_else(|| refuse("`model` is missing".to_owned()))?;
    messages(&body)?;
    functions(&body)?;
    let most_out = match protocol {
        Protocol::Openai => {
            let most = bounded(body.get("max_completion_tokens"));
            body.insert("max_completion_tokens".to_owned(), most.into());
            most
        }
        Protocol::Ollama => ollama_options(&mut body)?,
    };
    let body = Value::Object(body);
    let most_in = u64::try_from(body.to_string().len()).unwrap_or(u64::MAX);
    Ok(Request {
        model,
        body,
        most_in,
        most_out,
    })
}

fn only(fields: &Map<String, Value>, known: &[&str], of: &str) -> Result<(), Refused> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(40).collect();
            Err(Refused::Request(format!("{of} may not have `{name}`")))
        }
    }
}

/// Messages are text: nothing that makes a provider fetch anything.
fn messages(body: &Map<String, Value>) -> Result<(), Refused> {
    const FIELDS: [&str; 6] = [
        "role",
        "content",
        "tool_calls",
        "tool_call_id",
        "name",
        "refusal",
    ];
    let messages = body.get("messages").and_then(Value::as_array);
    let messages = messages.filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| Refused::Request("`messages` is missing".to_owned()))?;
    for message in messages {
        let Value::Object(message) = message else {
            return Err(Refused::Request("a message is not an object".to_owned()));
        };
        let mut set = message.clone();
        set.retain(|_, value| !value.is_null());
        only(&set, &FIELDS, "a message")?;
        if !matches!(
            message.get("content"),
            None | Some(Value::Null | Value::String(_))
        ) {
            return Err(Refused::Request(
                "a message's content must be text".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Tools are the agent's own functions: none that a provider would run.
fn functions(body: &Map<String, Value>) -> Result<(), Refused> {
    let tools = body.get("tools").and_then(Value::as_array);
    let foreign = |tool: &&Value| tool.get("type").and_then(Value::as_str) != Some("function");
    if tools.into_iter().flatten().any(|tool| foreign(&tool)) {
        return Err(Refused::Request(
            "only tools of type `function` may be offered".to_owned(),
        ));
    }
    Ok(())
}

fn bounded(asked: Option<&Value>) -> u64 {
    asked
        .and_then(Value::as_u64)
        .unwrap_or(ANSWER_TOKENS)
        .min(ANSWER_TOKENS)
}

fn ollama_options(body: &mut Map<String, Value>) -> Result<u64, Refused> {
    // What is not there is streamed: that is Ollama's default, and not spoken here.
    if body.get("stream") != Some(&Value::Bool(false)) {
        return Err(Refused::Request("`stream` must be false".to_owned()));
    }
    let mut options = match body.remove("options") {
        None => Map::new(),
        Some(Value::Object(options)) => options,
        Some(_) => return Err(Refused::Request("`options` is not an object".to_owned())),
    };
    only(&options, &OLLAMA_OPTIONS, "`options`")?;
    let most = bounded(options.get("num_predict"));
    options.insert("num_predict".to_owned(), most.into());
    body.insert("options".to_owned(), Value::Object(options));
    Ok(most)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn openai(body: Value) -> Result<Request, Refused> {
        read(Protocol::Openai, body.to_string().as_bytes())
    }

    #[test]
    fn answers_have_an_end_whatever_is_asked() {
        let message = json!([{ "role": "user", "content": "hi" }]);
        for (asked, most) in [
            (json!(100), 100),
            (json!(1_000_000), ANSWER_TOKENS),
            (json!(null), ANSWER_TOKENS),
            (json!(-1), ANSWER_TOKENS),
        ] {
            let read = openai(
                json!({ "model": "m", "messages": message, "max_completion_tokens": asked }),
            )
            .unwrap();
            assert_eq!(
                (read.most_out, &read.body["max_completion_tokens"]),
                (most, &json!(most))
            );
            let options = json!({ "model": "m", "messages": message, "stream": false, "options": { "num_predict": asked } });
            assert_eq!(
                super::read(Protocol::Ollama, options.to_string().as_bytes())
                    .unwrap()
                    .most_out,
                most
            );
        }
    }

    #[test]
    fn what_costs_more_or_reaches_further_is_refused() {
        let good = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        assert!(openai(good.clone()).is_ok());
        let image = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "http://evil" } }] }]);
        for (name, value) in [
            ("n", json!(100)),
            ("web_search_options", json!({})),
            ("service_tier", json!("priority")),
            ("store", json!(true)),
            ("tools", json!([{ "type": "web_search" }])),
            ("messages", image),
            ("messages", json!([])),
            ("model", json!(7)),
        ] {
            let mut body = good.clone();
            body[name] = value;
            assert!(matches!(openai(body), Err(Refused::Request(_))), "{name}");
        }
        assert!(read(Protocol::Openai, b"[1]").is_err() && read(Protocol::Openai, b"{").is_err());
        let streamed = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }], "stream": true });
        assert!(read(Protocol::Ollama, streamed.to_string().as_bytes()).is_err());
    }
}
