//! Tools that answer at once: every kind of content, an error, progress, log lines, a schema of many
//! keywords, an argument that is a header too.

use std::time::Duration;

use rmcp::{
    ErrorData,
    model::{
        CallToolRequestParams, CallToolResponse, ClientCapabilities, ProgressNotificationParam,
        ServerNotification, Tool,
    },
};
use serde_json::{Value, json};

use super::{Called, Context, argument, content, failed, text, tool, wire};

/// One red pixel.
pub const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
/// A sound of no samples.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
/// Between two notifications.
const PAUSE: Duration = Duration::from_millis(50);

/// This file's tools.
pub fn tools() -> Vec<Tool> {
    let region =
        json!({ "region": { "type": "string", "description": "where", "x-mcp-header": "Region" } });
    vec![
        tool("test_simple_text", "Answers one text", json!({})),
        tool("test_image_content", "Answers an image", json!({})),
        tool("test_audio_content", "Answers a sound", json!({})),
        tool("test_embedded_resource", "Answers a resource", json!({})),
        tool(
            "test_multiple_content_types",
            "Answers a text, an image and a resource",
            json!({}),
        ),
        tool("test_error_handling", "Always fails", json!({})),
        tool("test_tool_with_progress", "Says how far it is", json!({})),
        tool("test_tool_with_logging", "Logs as it goes", json!({})),
        tool("test_logging_tool", "Logs when it was asked to", json!({})),
        tool(
            "test_missing_capability",
            "Needs a client that samples",
            json!({}),
        ),
        tool(
            "test_reconnection",
            "Answers a text after a while",
            json!({}),
        ),
        tool(
            "test_custom_header",
            "Answers its argument, which a header repeats",
            region,
        ),
        many_keywords(),
    ]
}

fn many_keywords() -> Tool {
    let street_and_city = json!({ "street": { "type": "string" }, "city": { "type": "string" } });
    let either = json!([{ "required": ["phone"] }, { "required": ["email"] }]);
    wire(json!({
        "name": "json_schema_2020_12_tool",
        "description": "Takes what JSON Schema 2020-12 can say",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": { "$anchor": "addressDef", "type": "object", "properties": street_and_city },
            },
            "properties": {
                "name": { "type": "string" },
                "address": { "$ref": "#/$defs/address" },
                "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                "phone": { "type": "string" },
                "email": { "type": "string" },
            },
            "allOf": [{ "anyOf": either }],
            "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
            "then": { "required": ["phone"] },
            "else": { "required": ["email"] },
            "additionalProperties": false,
        },
    }))
}

/// Calls one of them.
pub async fn call(request: &CallToolRequestParams, context: &Context) -> Option<Called> {
    let answer = match &*request.name {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => content(json!([image()])),
        "test_audio_content" => {
            content(json!([{ "type": "audio", "data": SILENCE, "mimeType": "audio/wav" }]))
        }
        "test_embedded_resource" => content(json!([resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content."
        )])),
        "test_multiple_content_types" => content(json!([
            { "type": "text", "text": "Multiple content types test:" },
            image(),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ])),
        "test_error_handling" => Ok(CallToolResponse::Complete(failed(
            "This tool intentionally returns an error for testing",
        ))),
        "test_tool_with_progress" => progress(context).await,
        "test_tool_with_logging" => logs(context).await,
        "test_logging_tool" if context.meta.log_level().is_some() => logs(context).await,
        "test_logging_tool" => text("no log level was asked for"),
        "test_missing_capability" => samples(context),
        "test_reconnection" => {
            tokio::time::sleep(PAUSE).await;
            text("Reconnection test completed.")
        }
        "test_custom_header" => text(argument(request, "region")),
        "json_schema_2020_12_tool" => text("accepted"),
        _ => return None,
    };
    Some(answer)
}

/// The pixel as a block.
pub fn image() -> Value {
    json!({ "type": "image", "data": PIXEL, "mimeType": "image/png" })
}

/// A resource as a block.
pub fn resource(uri: &str, kind: &str, words: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": uri, "mimeType": kind, "text": words } })
}

async fn progress(context: &Context) -> Called {
    for done in [0, 50, 100] {
        if let Some(token) = context.meta.get_progress_token() {
            let param = ProgressNotificationParam::new(token, f64::from(done)).with_total(100.0);
            let _ = context.peer.notify_progress(param).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    text("all of it is done")
}

async fn logs(context: &Context) -> Called {
    for words in ["started", "processing data", "completed"] {
        let line: ServerNotification = wire(json!({
            "method": "notifications/message",
            "params": { "level": "info", "data": format!("Tool execution: {words}") },
        }));
        let _ = context.peer.send_notification(line).await;
        tokio::time::sleep(PAUSE).await;
    }
    text("logged")
}

fn samples(context: &Context) -> Called {
    let capabilities = context.client_capabilities().unwrap_or_default();
    if capabilities.sampling.is_some() {
        return text("this client samples");
    }
    let needed: ClientCapabilities = wire(json!({ "sampling": {} }));
    Err(ErrorData::missing_required_client_capability(needed))
}
