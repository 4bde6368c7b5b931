//! How much more a service is asked for than before a moment: what two rules go by.

use ostler_agents_kit::{situation::ServiceFacts, trend};
use ostler_core::{
    signal::SignalKind,
    time::{Span, Time},
};

/// Over how long requests are counted.
pub(super) const RECENT: Span = Span::minutes(1);
/// So many times as many requests are more.
pub(super) const MORE: f64 = 1.5;

/// Requests a second, before a moment and now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    before: f64,
    now: f64,
}

impl Asked {
    /// Nothing where either is not known.
    pub(super) fn of(facts: &ServiceFacts, moment: Time, now: Time) -> Option<Self> {
        let rate = facts.points(SignalKind::RequestRate);
        Some(Self {
            before: trend::mean(trend::before(rate, moment))?,
            now: trend::mean(trend::since(rate, moment.max(now - RECENT)))?,
        })
    }

    /// How many times as many as before.
    pub(super) fn times(self) -> f64 {
        self.now / self.before.max(0.1)
    }

    pub(super) fn in_words(self) -> String {
        let Self { before, now } = self;
        format!("{now:.0} requests a second, {before:.0} before")
    }
}
