//! What the MCP face needs of the gate.

use std::sync::Arc;

use async_trait::async_trait;
use ostler_core::{id::ApprovalId, time::Span};
use ostler_tools::{contract::Tool, principal::Principal};
use serde_json::Value;

use super::tasks::HeldTasks;
use crate::{Gate, Watched, answer::Answer};

/// How a caller's own request for a yes stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody, or not everybody, answered yet.
    Waits {
        /// How long it can be answered, and the yes be used, at most.
        left: Span,
    },
    /// The yes is there and can be used.
    Given,
    /// It leads to nothing any more; why, in words.
    Over(String),
}

/// The one door. Whatever comes in by any transport goes through these.
#[async_trait]
pub trait Door: Send + Sync {
    /// Makes a call: decided, judged, recorded, committed, answered. A caller that goes away does not
    /// interrupt it.
    async fn call(self: Arc<Self>, caller: &Principal, tool: &str, args: Value) -> Answer;
    /// The tools that a caller may use at all, in the catalogue's order.
    fn tools_for(&self, caller: &Principal) -> Vec<&'static Tool>;
    /// Whom a bearer token stands for; nobody when it is unknown, revoked or expired.
    async fn authenticate(&self, bearer: &str) -> Option<Principal>;
    /// How a request for a yes stands; of what others asked for it says nothing.
    fn standing(&self, caller: &Principal, approval: &ApprovalId) -> Standing;
    /// Held calls that clients wait for as tasks.
    fn tasks(&self) -> &HeldTasks;
    /// A number that differs when something moved; see [`Gate::stamp`].
    fn stamp(&self, watched: &Watched) -> u64;
}

#[async_trait]
impl Door for Gate {
    async fn call(self: Arc<Self>, caller: &Principal, tool: &str, args: Value) -> Answer {
        Gate::call(&self, caller, tool, args).await
    }

    fn tools_for(&self, caller: &Principal) -> Vec<&'static Tool> {
        Gate::tools_for(self, caller)
    }

    async fn authenticate(&self, bearer: &str) -> Option<Principal> {
        Gate::authenticate(self, bearer).await
    }

    fn standing(&self, caller: &Principal, approval: &ApprovalId) -> Standing {
        Gate::standing(self, caller, approval)
    }

    fn tasks(&self) -> &HeldTasks {
        &self.tasks
    }

    fn stamp(&self, watched: &Watched) -> u64 {
        Gate::stamp(self, watched)
    }
}
