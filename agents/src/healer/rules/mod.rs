//! The causes the healer knows: one file a cause, each a pure function of one service's facts.
//!
//! A rule either fits, with evidence, confidence and a remedy, or says why it is out. Rules see
//! text that workloads wrote only folded and marked; such text supports a cause, it never is the
//! whole of one, and never chooses an action by itself.

mod asked;
mod bad_change;
mod bad_image;
mod bad_probe;
mod callers_change;
mod cannot_start;
mod crash;
mod deadlock;
mod disk_full;
mod memory_leak;
mod missing_config;
pub mod node_pressure;
mod out_of_memory;
pub mod patient;
mod saturated;
mod slow_replica;

use ostler_core::{
    id::{Generation, InstanceId, ServiceKey},
    incident::{CauseKind, Evidence},
    units::Bytes,
};

use patient::Patient;

/// One known cause.
pub struct Rule {
    /// The cause.
    pub kind: CauseKind,
    /// Its name for people.
    pub name: &'static str,
    /// Whether the facts show it.
    pub judge: fn(&Patient<'_>) -> Judged,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// The facts show this cause.
    Fits(Diagnosis),
    /// They don't, because…
    Out(String),
}

/// A cause with what shows it and what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// From 0 to 1.
    pub confidence: f64,
    /// In words.
    pub explanation: String,
    /// What shows it.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub remedy: Remedy,
}

/// What can be done about a cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Go back to this generation.
    RollBack(Generation),
    /// One that calls it goes back to this generation.
    RollBackCaller(ServiceKey, Generation),
    /// Raise the memory limit to this.
    RaiseMemory(Bytes),
    /// Restart this one instance.
    Restart(InstanceId),
    /// Only a person can help: this is what they should know.
    Person(String),
    /// It may pass: look again.
    Wait(String),
}

/// Every rule, the more specific ones first.
pub const RULES: &[Rule] = &[
    Rule {
        kind: CauseKind::BadImage,
        name: "bad image reference",
        judge: bad_image::judge,
    },
    Rule {
        kind: CauseKind::MissingSecretOrConfig,
        name: "missing secret or config",
        judge: missing_config::judge,
    },
    Rule {
        kind: CauseKind::DiskFull,
        name: "full disk or volume",
        judge: disk_full::judge,
    },
    Rule {
        kind: CauseKind::BadProbe,
        name: "misconfigured probe",
        judge: bad_probe::judge,
    },
    Rule {
        kind: CauseKind::NodePressure,
        name: "node pressure",
        judge: node_pressure::judge,
    },
    Rule {
        kind: CauseKind::MemoryLeak,
        name: "memory leak",
        judge: memory_leak::judge,
    },
    Rule {
        kind: CauseKind::OutOfMemory,
        name: "out of memory",
        judge: out_of_memory::judge,
    },
    Rule {
        kind: CauseKind::Deadlock,
        name: "deadlock",
        judge: deadlock::judge,
    },
    Rule {
        kind: CauseKind::Deadlock,
        name: "one sick instance",
        judge: slow_replica::judge,
    },
    Rule {
        kind: CauseKind::Saturated,
        name: "more load than it can take",
        judge: saturated::judge,
    },
    Rule {
        kind: CauseKind::BadChange,
        name: "bad change of a caller",
        judge: callers_change::judge,
    },
    Rule {
        kind: CauseKind::BadChange,
        name: "bad change",
        judge: bad_change::judge,
    },
    Rule {
        kind: CauseKind::Unknown,
        name: "start that the machine refuses",
        judge: cannot_start::judge,
    },
    Rule {
        kind: CauseKind::Crash,
        name: "crash by itself",
        judge: crash::judge,
    },
];

fn out(why: impl Into<String>) -> Judged {
    Judged::Out(why.into())
}
