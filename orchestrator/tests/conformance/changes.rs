//! Lists that change when a tool says so, and who is told.

use rmcp::{
    model::{CallToolRequestParams, Tool},
    service::SubscriptionContext,
};
use serde_json::json;
use tokio::sync::broadcast;

use super::{Called, text, tool};

/// Which list changed.
#[derive(Debug, Clone, Copy)]
enum Changed {
    Tools,
    Prompts,
}

/// Those who listen, and what they are told.
#[derive(Clone)]
pub struct Changes(broadcast::Sender<Changed>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(16))
    }
}

/// This file's tools.
pub fn tools() -> Vec<Tool> {
    vec![
        tool(
            "test_trigger_tool_change",
            "Says that the tools changed",
            json!({}),
        ),
        tool(
            "test_trigger_prompt_change",
            "Says that the prompts changed",
            json!({}),
        ),
    ]
}

impl Changes {
    /// Calls one of them.
    pub fn call(&self, request: &CallToolRequestParams) -> Option<Called> {
        let changed = match &*request.name {
            "test_trigger_tool_change" => Changed::Tools,
            "test_trigger_prompt_change" => Changed::Prompts,
            _ => return None,
        };
        let told = self.0.send(changed).unwrap_or_default();
        Some(text(format!("{told} were told")))
    }

    /// Tells one who listens, until they go.
    pub async fn pass_on(&self, subscription: &SubscriptionContext) {
        let mut changes = self.0.subscribe();
        let sink = subscription.sink();
        loop {
            let changed = tokio::select! {
                changed = changes.recv() => changed,
                () = subscription.cancelled() => return,
            };
            // What one did not ask for, the sink keeps back.
            let _ = match changed {
                Ok(Changed::Tools) => sink.notify_tool_list_changed().await,
                Ok(Changed::Prompts) => sink.notify_prompt_list_changed().await,
                Err(_) => return,
            };
        }
    }
}
