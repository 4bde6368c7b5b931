//! CPU, memory and process counts: what is reserved and what is the limit.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Bytes, MilliCpu};

/// What an instance reserves and what it may use at most. Changed in place while it runs, where its
/// node has room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// Reserved when placing; not enforced.
    pub requests: Amounts,
    /// Enforced by cgroups; no limit where absent, except 4096 processes.
    pub limits: Amounts,
}

/// One set of amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Amounts {
    /// CPU time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<MilliCpu>,
    /// Memory; the limit includes the page cache the instance dirties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

impl Resources {
    /// Whether any limit of `to` is lower than here, or new: what runs may run into it.
    #[must_use]
    pub fn is_tightened_by(&self, to: &Self) -> bool {
        let lower = |from: Option<u64>, to: Option<u64>| match (from, to) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(from), Some(to)) => to < from,
        };
        let (from, to) = (self.limits, to.limits);
        lower(from.cpu.map(|cpu| cpu.0), to.cpu.map(|cpu| cpu.0))
            || lower(
                from.memory.map(|bytes| bytes.0),
                to.memory.map(|bytes| bytes.0),
            )
            || lower(from.pids.map(u64::from), to.pids.map(u64::from))
    }

    /// Whether `to` reserves more than this: a node may have no room for that.
    #[must_use]
    pub fn reserves_less_than(&self, to: &Self) -> bool {
        let (from, to) = (self.requests, to.requests);
        to.cpu.unwrap_or_default() > from.cpu.unwrap_or_default()
            || to.memory.unwrap_or_default() > from.memory.unwrap_or_default()
    }

    /// CPU and memory that an instance reserves on its node: its requests, zero where absent.
    #[must_use]
    pub fn reserved(&self) -> (MilliCpu, Bytes) {
        let Amounts { cpu, memory, .. } = self.requests;
        (cpu.unwrap_or_default(), memory.unwrap_or_default())
    }

    /// The same with so much CPU reserved; a limit of CPU moves with it and keeps its proportion.
    #[must_use]
    pub fn with_cpu(&self, cpu: MilliCpu) -> Self {
        if self.reserved().0 == cpu {
            return *self;
        }
        let mut sized = *self;
        let before = self.requests.cpu.filter(|before| before.0 > 0);
        sized.requests.cpu = Some(cpu);
        sized.limits.cpu = self.limits.cpu.map(|limit| match before {
            Some(before) => MilliCpu(limit.0.saturating_mul(cpu.0).div_ceil(before.0)),
            None => limit,
        });
        sized
    }

    /// What differs, for people: `memory limit 64Mi → 128Mi, CPU request none → 250m`.
    #[must_use]
    pub fn difference(&self, to: &Self) -> String {
        let mut words = Vec::new();
        for (what, from, to) in [
            ("limit", self.limits, to.limits),
            ("request", self.requests, to.requests),
        ] {
            tell(&mut words, &format!("CPU {what}"), from.cpu, to.cpu);
            tell(
                &mut words,
                &format!("memory {what}"),
                from.memory,
                to.memory,
            );
            tell(&mut words, &format!("process {what}"), from.pids, to.pids);
        }
        words.join(", ")
    }
}

fn tell<T: Display + PartialEq>(
    words: &mut Vec<String>,
    what: &str,
    from: Option<T>,
    to: Option<T>,
) {
    let show = |amount: &Option<T>| {
        amount
            .as_ref()
            .map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    if from != to {
        words.push(format!("{what} {} → {}", show(&from), show(&to)));
    }
}
