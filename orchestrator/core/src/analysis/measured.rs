//! What is measured of a service's versions while one comes in: cumulative counts since its stage began.
//! Whoever counts keeps the beginning; the core looks at the sums, whenever it is asked. Pure.
//!
//! The contract of who fills `Observed::measured`: a service whose traffic is measured by version *always*
//! has an entry, also with empty counts; a missing entry means that nobody measures, and steps are judged
//! by readiness alone. Counts that were lost (a restart) begin anew, with the stage they are about.
//! What was counted before a promotion stays as it is until the rollout is over, or is absent: less of it is never given.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::{Deserialize, Serialize};

use crate::{
    id::Generation,
    rollout::Stage,
    time::{Span, Time},
};

/// What was measured of a service since its rollout's stage began.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The generation that comes in …
    pub generation: Generation,
    /// … and the stage that the counts are about. Counts of another stage are not looked at.
    pub stage: Stage,
    /// Since when is counted.
    pub since: Time,
    /// The counts by generation.
    pub versions: BTreeMap<Generation, Counts>,
    /// What was counted before a version took all the traffic, in the stage after that; absent in others, and where
    /// whoever counts began only then.
    pub before: Option<Before>,
}

/// What was counted of versions in the last minutes before one took all the traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Since when; until the stage began.
    pub since: Time,
    /// The counts by generation.
    pub versions: BTreeMap<Generation, Counts>,
}

/// What was counted of one version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Requests that were answered, or should have been.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// How long they took.
    pub latency: Histogram,
    /// CPU time of a request, where that is measured.
    pub cpu: Option<Spread>,
    /// How often its instances wrote error lines of kinds that nobody had written before the rollout, where
    /// logs are read: once for each instance and look, however many lines and kinds there were, since lines
    /// of one mishap are not independent of each other.
    pub new_errors: Option<u64>,
    /// Failed runs of its instances, a few of each at most. The core counts these itself.
    pub restarts: u64,
    /// Those for lack of memory. The core counts these itself.
    pub out_of_memory: u64,
    /// How long its instances were there, in sum. The core counts this itself.
    pub there: Span,
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        let add = |one: &mut u64, more: u64| *one = one.saturating_add(more);
        add(&mut self.requests, other.requests);
        add(&mut self.errors, other.errors);
        add(&mut self.restarts, other.restarts);
        add(&mut self.out_of_memory, other.out_of_memory);
        add(&mut self.there.0, other.there.0);
        for (bound, count) in &other.latency.0 {
            add(self.latency.0.entry(*bound).or_default(), *count);
        }
        if let Some(more) = other.new_errors {
            add(self.new_errors.get_or_insert_default(), more);
        }
        if let Some(more) = &other.cpu {
            self.cpu.get_or_insert_default().add(more);
        }
    }
}

/// Requests by how long they took: how many lie above the bound before and up to this one, which is in
/// microseconds; `u64::MAX` for those above all bounds. All versions of a service have the same bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(pub BTreeMap<u64, u64>);

impl Histogram {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Those that took longer than a bound.
    #[must_use]
    pub fn slower_than(&self, bound: u64) -> u64 {
        let slower = self.0.iter().filter(|(upper, _)| **upper > bound);
        slower.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// CPU time of a request in microseconds, as means over stretches of a few seconds and some requests each:
/// how many stretches there were, the sum of their means and the sum of their squares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Stretches.
    pub stretches: u32,
    /// Sum of the means.
    pub sum: f64,
    /// Sum of their squares.
    pub squares: f64,
}

impl Spread {
    /// One more stretch, with CPU time of a request in microseconds.
    pub fn record(&mut self, mean: f64) {
        if mean.is_finite() && mean >= 0.0 {
            self.stretches = self.stretches.saturating_add(1);
            self.sum += mean;
            self.squares += mean * mean;
        }
    }

    fn add(&mut self, other: &Self) {
        self.stretches = self.stretches.saturating_add(other.stretches);
        self.sum += other.sum;
        self.squares += other.squares;
    }

    /// The mean of all, and that mean's variance; `None` for fewer than two stretches.
    #[must_use]
    pub fn mean(&self) -> Option<(f64, f64)> {
        let many = f64::from(self.stretches);
        if self.stretches < 2 {
            return None;
        }
        let mean = self.sum / many;
        let spread = (self.squares - self.sum * mean).max(0.0) / (many - 1.0);
        let fine = mean.is_finite() && spread.is_finite();
        fine.then_some((mean, spread / many))
    }
}
