//! What a new version's traffic is held against while it has a part of it, or all of it with the old version kept, as
//! people write it below `spec.update.analysis`. How that is judged is in `crate::analysis`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a new version's traffic is held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Analysis {
    /// Whether a step of a canary passes only when its traffic, where that is measured by version, is shown
    /// to do no harm, and blue/green goes back when it does harm while the old version is kept. Without it, both are
    /// judged by readiness alone.
    pub enabled: bool,
    /// Requests that either version must have had before a step can pass; in blue/green, the old one in the last ten
    /// minutes before the promotion. 1 to 1000000000.
    pub min_requests: u64,
    /// Share of requests that fail.
    pub error_ratio: ErrorRatio,
    /// How many requests are slow.
    pub latency: SlowRequests,
    /// Whether a version goes back whose requests cost more CPU: not so for one that is meant to do more. In steps of a
    /// canary only.
    pub cpu: bool,
    /// Whether a version goes back that writes kinds of error lines which nobody had written before: not so for
    /// one that words its errors otherwise. In steps of a canary only.
    pub new_errors: bool,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            enabled: true,
            min_requests: 100,
            error_ratio: ErrorRatio::default(),
            latency: SlowRequests::default(),
            cpu: true,
            new_errors: true,
        }
    }
}

impl Analysis {
    /// Whether it is the usual one.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// When a share of failed requests is harm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ErrorRatio {
    /// A step passes only when it is shown that less than so many times the old version's share fails; above
    /// 1.2 and 100 at most …
    pub factor: f64,
    /// … or less than this many percent; above 0, 50 at most.
    pub floor: f64,
}

impl Default for ErrorRatio {
    fn default() -> Self {
        Self {
            factor: 2.0,
            floor: 1.0,
        }
    }
}

/// When a share of slow requests is harm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SlowRequests {
    /// Slow is what is slower than this percentile of the old version; 50 at least, below 100.
    pub quantile: f64,
    /// A step passes only when it is shown that less than so many times the old version's share is slow;
    /// above 1.2 and 100 at most.
    pub factor: f64,
}

impl Default for SlowRequests {
    fn default() -> Self {
        Self {
            quantile: 95.0,
            factor: 2.0,
        }
    }
}
