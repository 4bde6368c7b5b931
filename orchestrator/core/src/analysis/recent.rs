//! How counters of services stood in the last minutes, so that a version that takes all the traffic at once can be held
//! against what was before. Only services that come in so (blue/green) are remembered. Pure; in memory of the caller.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Before, Counts,
    beginnings::{Stand, difference},
};
use crate::{
    id::ServiceKey,
    time::{Span, Time},
};

/// How far back is looked: what is longer ago says less of now.
const WINDOW: Span = Span::minutes(10);
/// Between two samples, at least; twenty of them are the window.
const EVERY: Span = Span::seconds(30);

/// Counters at one moment.
#[derive(Debug, Clone)]
struct Sample {
    at: Time,
    stand: Stand,
}

/// The last minutes of each service, oldest sample first.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(BTreeMap<ServiceKey, VecDeque<Sample>>);

impl Recent {
    /// Remembers how a service's counters stand, and forgets what is too long ago.
    pub fn note(&mut self, key: &ServiceKey, stand: &Stand, now: Time) {
        let samples = self.0.entry(key.clone()).or_default();
        while samples.front().is_some_and(|one| is_past(one, now)) {
            samples.pop_front();
        }
        let due = |last: &Sample| now.since(last.at) >= EVERY;
        if samples.back().is_none_or(due) {
            let stand = stand.clone();
            samples.push_back(Sample { at: now, stand });
        }
    }

    /// Forgets other services.
    pub fn retain(&mut self, keep: impl Fn(&ServiceKey) -> bool) {
        self.0.retain(|key, _| keep(key));
    }

    /// What was counted in the last minutes until now; `None` where nobody looked before now.
    pub fn before(&self, key: &ServiceKey, stand: &Stand, now: Time) -> Option<Before> {
        let of = |one: &Sample| -> Option<Before> {
            // From before a counter went back, nothing follows.
            let versions: BTreeMap<_, Counts> = difference(stand, &one.stand)?;
            let since = one.at;
            Some(Before { since, versions })
        };
        let samples = self.0.get(key)?.iter();
        let mut samples = samples.filter(|one| one.at < now && !is_past(one, now));
        samples.find_map(of)
    }
}

/// Whether a sample is too long ago; one that lies ahead is of a clock that jumped back.
fn is_past(one: &Sample, now: Time) -> bool {
    one.at > now || now.since(one.at) > WINDOW
}
