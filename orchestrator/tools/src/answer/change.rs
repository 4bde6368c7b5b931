//! Answers about changes: what was done, what would be done, how two specs differ.

use ostler_core::{
    facts::ChangeFacts,
    id::{Revision, ServiceKey},
    time::Time,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Agents that work on these services just now, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Whether it could be applied to what is wanted now. Policy is another question: see `explain_policy`.
    pub accepted: bool,
    /// Why not, and what would be accepted.
    pub problem: Option<String>,
    /// The revision that this was computed against.
    pub base: Revision,
    /// What would change, in numbers, in words, and field by field.
    pub facts: Option<ChangeFacts>,
    /// Whether it could be taken back afterwards.
    pub undoable: bool,
}
