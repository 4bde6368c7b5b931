//! What was counted of a version's requests: how many, how many failed, how long they took. Plain
//! numbers that only grow, so that two of them tell what happened between.

use serde::{Deserialize, Serialize};

/// Upper bounds of the buckets that answers are counted in, in milliseconds. What takes longer than
/// the last is in one more bucket.
pub const LATENCY_BOUNDS_MS: [u32; 16] = [
    1, 2, 5, 10, 20, 50, 100, 200, 350, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
];

/// Buckets, the one above all bounds included.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_MS.len() + 1;

/// Counts of the requests that went to one version of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Golden {
    /// Requests that were sent to an instance of it, or that could not be.
    pub requests: u64,
    /// Of these, those that failed: a status of 500 or above, no answer, or an answer cut short.
    pub errors: u64,
    /// Of the errors, those that another instance was asked about instead: no client saw them.
    pub retried: u64,
    /// Time to the head of the answer, or until there was none, in all, in microseconds.
    pub micros: u64,
    /// Requests by that time, one bucket each; their sum is `requests`.
    pub buckets: [u64; LATENCY_BUCKETS],
}

impl Golden {
    /// The bucket for a time.
    #[must_use]
    pub fn bucket_of(micros: u64) -> usize {
        let within = |bound: &u32| micros <= u64::from(*bound).saturating_mul(1_000);
        let found = LATENCY_BOUNDS_MS.iter().position(within);
        found.unwrap_or(LATENCY_BOUNDS_MS.len())
    }

    /// What was counted since an earlier state of the same counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// Whether these can be a later state of those: nothing got less.
    #[must_use]
    pub fn follows(&self, earlier: &Self) -> bool {
        let buckets = self.buckets.iter().zip(&earlier.buckets);
        self.requests >= earlier.requests
            && self.errors >= earlier.errors
            && self.retried >= earlier.retried
            && self.micros >= earlier.micros
            && buckets.into_iter().all(|(now, then)| now >= then)
    }

    fn with(&self, other: &Self, both: impl Fn(u64, u64) -> u64) -> Self {
        let mut buckets = self.buckets;
        for (mine, theirs) in buckets.iter_mut().zip(&other.buckets) {
            *mine = both(*mine, *theirs);
        }
        Self {
            requests: both(self.requests, other.requests),
            errors: both(self.errors, other.errors),
            retried: both(self.retried, other.retried),
            micros: both(self.micros, other.micros),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_holds_it() {
        for (micros, bucket) in [(0, 0), (1_000, 0), (1_001, 1), (60_000_000, 15)] {
            assert_eq!(Golden::bucket_of(micros), bucket, "{micros}");
        }
        assert_eq!(Golden::bucket_of(u64::MAX), LATENCY_BUCKETS - 1);
    }

    #[test]
    fn what_came_since_and_what_was_before_are_all() {
        let before = Golden {
            requests: 3,
            errors: 1,
            ..Golden::default()
        };
        let mut after = Golden {
            requests: 10,
            errors: 2,
            micros: 7,
            ..Golden::default()
        };
        after.buckets[2] = 5;
        assert!(after.follows(&before) && !before.follows(&after));
        assert_eq!(before.and(&after.since(&before)), after);
    }
}
