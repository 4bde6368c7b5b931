//! Answers about changes: what was done, what would be done, how two specs differ.

use ostler_core::{
    id::{Revision, ServiceKey},
    time::Time,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What every change tool answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// What was done, in words.
    pub summary: String,
    /// The revision of the intent that this made.
    pub revision: Revision,
    /// The services it touched.
    pub services: Vec<ServiceKey>,
    /// Whether `undo_change` with this revision takes it back.
    pub undoable: bool,
}

/// Past changes, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Newest first.
    pub changes: Vec<PastChangeInfo>,
}

/// One past change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastChangeInfo {
    /// The revision it made.
    pub revision: Revision,
    /// When.
    pub at: Time,
    /// Who asked, as the audit log names them.
    pub principal: String,
    /// By which tool.
    pub tool: String,
    /// In words.
    pub summary: String,
    /// Services it touched.
    pub services: Vec<ServiceKey>,
    /// Whether `undo_change` with this revision takes it back.
    pub undoable: bool,
    /// The audit log's entry that recorded it.
    pub leaf: u64,
}

/// What a change would do, without doing it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Whether it could be applied to what is wanted now. Policy is another question: see `explain_policy`.
    pub accepted: bool,
    /// Why not, and what would be accepted.
    pub problem: Option<String>,
    /// The revision that this was computed against.
    pub base: Revision,
    /// What each touched service would become.
    pub services: Vec<ServiceDiff>,
    /// What the policy would be told of it: the facts of the change.
    pub facts: Option<Value>,
    /// Whether it could be taken back afterwards.
    pub undoable: bool,
}

/// What one service would become.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceDiff {
    /// Which.
    pub service: ServiceKey,
    /// What would happen to it.
    pub sort: Sort,
    /// Whether instances would be replaced.
    pub replaces_instances: bool,
    /// What would differ.
    pub fields: Vec<FieldChange>,
}

/// What happens to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// It comes into being.
    Created,
    /// It changes.
    Changed,
    /// It stays as it is.
    Unchanged,
    /// It goes.
    Deleted,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// The field's path, such as `spec.resources.limits.memory` or `spec.env.MODE`.
    pub field: String,
    /// Before; absent when there was none.
    pub before: Option<Value>,
    /// After; absent when it goes.
    pub after: Option<Value>,
}
