//! Whether a new version does harm: its counts against those of the old one over the same time. Pure.
//!
//! Every measure says pass, fail or not enough. *Fail* needs evidence that the new version is worse than
//! the old one, and by more than a little; *pass* needs evidence that it is not worse by what counts as
//! harm. Between the two, and with too few requests for either, there is no verdict. The evidence may be
//! looked at every few seconds ([`evidence`]), and a look remembers nothing of those before it.
//!
//! A version that takes all the traffic at once (blue/green) has no old one beside it: it is held against what that
//! showed before, by tests of their own ([`takeover`]).
//!
//! Errors and latency must pass. Restarts, kills for lack of memory, CPU of a request and new kinds of error
//! lines are too rare or too coarse to be shown harmless in one step: they can fail, and hold up nothing.

mod beginnings;
mod bounds;
mod cpu;
mod evidence;
mod measured;
mod rare;
mod recent;
mod requests;
mod takeover;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use beginnings::{Beginnings, Counters, Known};
pub use measured::{Before, Counts, Histogram, Measured, Spread};
pub(crate) use rare::RUNS_LIMIT;

use crate::spec::Analysis;

/// The chance that a rollout of a version that is no worse than the old one is ever sent back.
pub const FALSE_REVERT: f64 = 0.02;
/// The chance that a step with a version that does harm ever passes.
pub const FALSE_PASS: f64 = 0.05;

/// What a new version does, by its counts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No harm: shown, where it must be.
    Pass,
    /// Harm, as good as surely.
    Fail,
    /// Too little happened to say either.
    NotEnough,
}

/// What is measured.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Share of requests that fail.
    Errors,
    /// Share of requests that are slower than a quantile of the old version.
    Latency,
    /// Failed runs.
    Restarts,
    /// Runs that the kernel ended for their memory.
    OutOfMemory,
    /// CPU time of a request.
    Cpu,
    /// Kinds of error lines that nobody had written before.
    NewErrors,
}

impl Measure {
    /// Its part in [`FALSE_REVERT`]: those of all measures add up to one (Bonferroni).
    const fn part(self) -> f64 {
        match self {
            Self::Errors => 0.4,
            Self::Latency => 0.25,
            Self::Restarts => 0.1,
            Self::OutOfMemory => 0.05,
            Self::Cpu | Self::NewErrors => 0.1,
        }
    }

    /// Whether it must be shown to do no harm before a step passes.
    #[must_use]
    pub const fn must_pass(self) -> bool {
        matches!(self, Self::Errors | Self::Latency)
    }
}

/// What one measure says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Weighed {
    /// What was measured.
    pub measure: Measure,
    /// What it says.
    pub verdict: Verdict,
    /// The new version's value: a share of requests, failed runs of an instance-hour, microseconds of CPU of a
    /// request, or how often new kinds of error lines came for each request.
    pub new: f64,
    /// The old version's.
    pub old: f64,
    /// The chance of evidence like this at any look, if the new version were no worse; after a promotion, if it
    /// did no harm. 1 at most.
    pub if_no_worse: f64,
    /// The chance of evidence like this at any look, if it did harm; absent where that is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_harmful: Option<f64>,
    /// All that in words.
    pub words: String,
}

/// What all measures say together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// Fail if one fails; pass if all pass that must; else not enough.
    pub verdict: Verdict,
    /// Requests of the new version that were looked at.
    pub requests: u64,
    /// Requests of the old one.
    pub old_requests: u64,
    /// By measure; those that nobody measures are absent.
    pub findings: Vec<Weighed>,
}

/// What a judgement goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules<'a> {
    /// What counts as harm.
    pub analysis: &'a Analysis,
    /// How many steps the rollout has that are judged: they share [`FALSE_REVERT`].
    pub steps: u32,
}

impl Rules<'_> {
    /// The chance that a version which is no worse is ever sent back for a measure.
    fn chance(&self, measure: Measure) -> f64 {
        FALSE_REVERT * measure.part() / f64::from(self.steps.max(1))
    }

    /// How strong the evidence must be to send a version back for a measure, as a logarithm.
    fn fails_at(&self, measure: Measure) -> f64 {
        -self.chance(measure).ln()
    }

    /// How strong the evidence must be for a measure to pass, as a logarithm.
    fn passes_at() -> f64 {
        -FALSE_PASS.ln()
    }
}

/// The new and the old version over the same time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pair {
    /// The one that comes in.
    pub new: Counts,
    /// The last good one.
    pub old: Counts,
}

impl Pair {
    /// How many times as long the new version's instances are there for a request as the old one's; 1 at
    /// least, also where that is not known.
    ///
    /// Whatever instances do by themselves (timers, probes, what comes past the proxy) falls on fewer requests
    /// then. How much that is nobody can tell from outside, so it is supposed to be all.
    fn idleness(&self) -> f64 {
        let float = evidence::float;
        let of = |counts: &Counts| float(counts.there.0) / float(counts.requests);
        let times = of(&self.new) / of(&self.old);
        if times.is_finite() {
            times.max(1.0)
        } else {
            1.0
        }
    }
}

/// Judges a new version by what was counted so far. It may be asked again at any time.
#[must_use]
pub fn judge(rules: Rules, pair: &Pair) -> Judgement {
    let analysis = rules.analysis;
    let asked = |is: bool, finding: Option<Weighed>| finding.filter(|_| is);
    let findings: Vec<Weighed> = [
        Some(requests::errors(rules, pair)),
        requests::latency(rules, pair),
        rare::restarts(rules, pair),
        rare::out_of_memory(rules, pair),
        asked(analysis.cpu, cpu::of_a_request(rules, pair)),
        asked(analysis.new_errors, rare::new_errors(rules, pair)),
    ]
    .into_iter()
    .flatten()
    .collect();
    conclude(pair, findings)
}

/// Judges a version that took all the traffic, as long as it is known what the last good one showed before:
/// `pair.old`, which grows no more. It may be asked again at any time.
#[must_use]
pub fn judge_takeover(rules: Rules, pair: &Pair) -> Judgement {
    let findings = [
        Some(takeover::errors(rules, pair)),
        takeover::latency(rules, pair),
        takeover::restarts(rules, pair),
        takeover::out_of_memory(rules, pair),
    ];
    conclude(pair, findings.into_iter().flatten().collect())
}

/// Judges a version by its failed runs alone, against those of the last good one before. It may be asked again at
/// any time, and fails or passes.
#[must_use]
pub fn judge_runs(rules: Rules, pair: &Pair) -> Judgement {
    let findings = [
        takeover::restarts(rules, pair),
        takeover::out_of_memory(rules, pair),
    ];
    conclude(pair, findings.into_iter().flatten().collect())
}

fn conclude(pair: &Pair, findings: Vec<Weighed>) -> Judgement {
    Judgement {
        verdict: together(&findings),
        requests: pair.new.requests,
        old_requests: pair.old.requests,
        findings,
    }
}

fn together(findings: &[Weighed]) -> Verdict {
    let fails = |finding: &Weighed| finding.verdict == Verdict::Fail;
    let held_up =
        |finding: &Weighed| finding.measure.must_pass() && finding.verdict != Verdict::Pass;
    if findings.iter().any(fails) {
        Verdict::Fail
    } else if findings.iter().any(held_up) {
        Verdict::NotEnough
    } else {
        Verdict::Pass
    }
}
