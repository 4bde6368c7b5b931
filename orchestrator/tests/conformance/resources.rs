//! Resources: text, bytes, a template, one to be watched, and none of that name.

use rmcp::{
    ErrorData,
    model::{ListResourceTemplatesResult, ListResourcesResult, ReadResourceResponse},
};
use serde_json::{Value, json};

use super::{finished, plain::PIXEL};

/// Those with a name of their own.
pub fn list() -> ListResourcesResult {
    let resource = |uri: &str, kind: &str| json!({ "uri": uri, "name": uri, "description": "a fixture", "mimeType": kind });
    finished(json!({ "resources": [
        resource("test://static-text", "text/plain"),
        resource("test://static-binary", "image/png"),
        resource("test://watched-resource", "text/plain"),
    ] }))
}

/// Those of many names.
pub fn templates() -> ListResourceTemplatesResult {
    finished(json!({ "resourceTemplates": [{
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "a fixture for each id",
        "mimeType": "application/json",
    }] }))
}

/// What is in one.
pub fn read(uri: &str) -> Result<ReadResourceResponse, ErrorData> {
    let contents = match uri {
        "test://static-text" => words(
            uri,
            "This is the content of the static text resource.".into(),
        ),
        "test://watched-resource" => words(uri, "Nothing happens here.".into()),
        "test://static-binary" => json!({ "uri": uri, "mimeType": "image/png", "blob": PIXEL }),
        _ => match of_template(uri) {
            Some(id) => {
                let data =
                    json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
            }
            None => {
                let data = json!({ "uri": uri });
                return Err(ErrorData::resource_not_found(
                    "Resource not found",
                    Some(data),
                ));
            }
        },
    };
    Ok(ReadResourceResponse::Complete(finished(
        json!({ "contents": [contents] }),
    )))
}

fn words(uri: &str, words: String) -> Value {
    json!({ "uri": uri, "mimeType": "text/plain", "text": words })
}

fn of_template(uri: &str) -> Option<&str> {
    uri.strip_prefix("test://template/")?.strip_suffix("/data")
}
