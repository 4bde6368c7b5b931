//! What is known of a system around a moment, in words of no particular platform.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that was seen. Lists may be empty: what is absent is not known, and never read as zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Picture {
    /// Things that may be at fault, by id (`app/cart`, `node/worker-1`).
    pub objects: BTreeMap<String, Object>,
    /// Who depends on whom.
    pub edges: Vec<Edge>,
    /// Numbers over time.
    pub signals: Vec<Signal>,
    /// What the platform said happened.
    pub events: Vec<Event>,
    /// What workloads wrote.
    pub logs: Vec<Log>,
    /// What people and machines changed lately.
    pub changes: Vec<Change>,
    /// Seconds at which trouble was first noticed; everything before is taken for normal. Nothing
    /// where nobody noticed: the engine looks for change-points itself.
    pub noticed: Option<f64>,
    /// Whose symptom it was, where somebody complained.
    pub symptom: Option<String>,
}

/// A thing that may be at fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// What is known of its state, in the vocabulary of the knowledge base
    /// (`replicas.wanted: 0`, `node.cordoned: true`).
    #[serde(default)]
    pub facts: BTreeMap<String, serde_json::Value>,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A long-running workload.
    Service,
    /// One running copy of a service.
    Instance,
    /// A machine.
    Node,
    /// A part of the fleet with limits of its own.
    Namespace,
    /// Storage.
    Volume,
    /// The platform itself: its scheduler, its network, its names.
    Platform,
    /// What is not run here: a managed database, another team's API.
    External,
}

/// A dependency: trouble of `to` may show at `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Who depends.
    pub from: String,
    /// On whom.
    pub to: String,
    /// How.
    pub how: How,
}

/// How one thing depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Sends it requests.
    Calls,
    /// Runs on it.
    RunsOn,
    /// Is a part of it.
    PartOf,
    /// Mounts or reads it.
    Uses,
}

/// A series of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Of what.
    pub object: String,
    /// What is measured.
    pub measure: Measure,
    /// Its name where it came from.
    pub name: String,
    /// `(seconds, value)` in order of time; a gap is a missing point.
    pub points: Vec<(f64, f64)>,
}

/// What a signal measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Requests a second.
    Rate,
    /// Errors, as a share or a count.
    Errors,
    /// Share of time or requests that were fine: low is bad.
    Availability,
    /// Time that requests took.
    Latency,
    /// Processor used.
    Cpu,
    /// Memory used.
    Memory,
    /// Disk used, or traffic to it.
    Disk,
    /// Traffic on the network.
    Network,
    /// Queued or concurrent work.
    Load,
    /// Times started anew.
    Restarts,
    /// Anything else.
    Other,
}

/// What the platform said happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, in seconds; nothing where it was not said.
    pub at: Option<f64>,
    /// To what.
    pub object: String,
    /// A short word for it, as the platform has it (`FailedScheduling`).
    pub reason: String,
    /// Its words. Untrusted.
    pub message: String,
    /// How often.
    pub count: u64,
}

/// Lines of a workload that say the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Seconds of the first such line.
    pub at: Option<f64>,
    /// Whose.
    pub object: String,
    /// The line, or the template of lines that differ in numbers and names. Untrusted.
    pub line: String,
    /// How many such lines.
    pub count: u64,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When, in seconds.
    pub at: Option<f64>,
    /// Of what.
    pub object: String,
    /// What changed, in words.
    pub what: String,
}
