//! Lists that change when a tool says so, and who is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use rmcp::{
    model::{CallToolRequestParams, SubscriptionFilter, Tool},
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
pub struct Changes {
    told: broadcast::Sender<Changed>,
    /// Those who were accepted and do not listen yet.
    accepted: Arc<Mutex<VecDeque<broadcast::Receiver<Changed>>>>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            told: broadcast::Sender::new(16),
            accepted: Arc::default(),
        }
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
        let told = self.told.send(changed).unwrap_or_default();
        Some(text(format!("{told} were told")))
    }

    /// Accepts one, who misses nothing from here on: a change may follow the acknowledgement at once.
    pub fn accept(&self, requested: &SubscriptionFilter) -> SubscriptionFilter {
        let listens = self.told.subscribe();
        self.accepted.lock().unwrap().push_back(listens);
        requested.clone()
    }

    /// Tells one who listens, until they go.
    pub async fn pass_on(&self, subscription: &SubscriptionContext) {
        let accepted = self.accepted.lock().unwrap().pop_front();
        let mut changes = accepted.unwrap_or_else(|| self.told.subscribe());
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
