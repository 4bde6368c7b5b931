//! What users see: requests that fail, and requests that are slow. Both must be shown harmless. Pure.

use super::{
    Histogram, Measure, Pair, Rules, Verdict, Weighed,
    evidence::{self, Events, float},
    words::{chance, percent},
};
use crate::time::Span;

/// What may be worse without being sent back for it: so many times the old version's share of errors, and
/// this share more …
const TOLERATED_ERRORS: Margin = Margin {
    times: 1.4,
    more: 0.001,
};
/// … and of slow requests. All requests a tenth slower makes about 1.4 times as many slow ones.
const TOLERATED_SLOW: Margin = Margin {
    times: 1.5,
    more: 0.01,
};

struct Margin {
    times: f64,
    more: f64,
}

/// Requests with an event, and all of them.
pub(super) struct Shares {
    pub new: (u64, u64),
    pub old: (u64, u64),
}

impl Shares {
    pub fn of_errors(pair: &Pair) -> Self {
        let of = |counts: &super::Counts| (counts.errors.min(counts.requests), counts.requests);
        Self {
            new: of(&pair.new),
            old: of(&pair.old),
        }
    }

    pub fn slower_than(bound: u64, pair: &Pair) -> Self {
        let of = |all: &Histogram| (all.slower_than(bound), all.total());
        Self {
            new: of(&pair.new.latency),
            old: of(&pair.old.latency),
        }
    }

    pub fn share_of_new(&self) -> f64 {
        share(self.new)
    }

    pub fn share_of_old(&self) -> f64 {
        share(self.old)
    }

    fn events(&self) -> Events {
        Events {
            new: self.new.0,
            old: self.old.0,
        }
    }

    /// The new version's part in all requests.
    fn part(&self) -> f64 {
        share((self.new.1, self.new.1.saturating_add(self.old.1)))
    }

    fn is_beyond(&self, margin: &Margin) -> bool {
        let least = (self.share_of_old() * margin.times).max(self.share_of_old() + margin.more);
        self.share_of_new() > least
    }
}

/// What counts as harm: so many times the old version's share, and this share at least.
pub(super) struct Harm {
    pub factor: f64,
    pub floor: f64,
}

impl Harm {
    pub fn of_errors(rules: Rules) -> Self {
        let ratio = rules.analysis.error_ratio;
        Self {
            factor: ratio.factor,
            floor: ratio.floor / 100.0,
        }
    }

    pub fn of_latency(rules: Rules) -> Self {
        let slow = rules.analysis.latency;
        Self {
            factor: slow.factor,
            floor: ((1.0 - slow.quantile / 100.0) * slow.factor).min(0.99),
        }
    }
}

/// Whether requests fail more often.
pub(super) fn errors(rules: Rules, pair: &Pair) -> Weighed {
    weigh(
        rules,
        Measure::Errors,
        &Shares::of_errors(pair),
        &Harm::of_errors(rules),
        &TOLERATED_ERRORS,
        "fail",
    )
}

/// Whether more requests are slow; `None` where nobody measures how long they take.
pub(super) fn latency(rules: Rules, pair: &Pair) -> Option<Weighed> {
    let slow = rules.analysis.latency;
    let (new, old) = (&pair.new.latency, &pair.old.latency);
    if new.0.is_empty() && old.0.is_empty() {
        return None;
    }
    let bound = bound_of(old, 1.0 - slow.quantile / 100.0);
    let (shares, harm) = (Shares::slower_than(bound, pair), Harm::of_latency(rules));
    let verb = are_slower_than(bound);
    let what = Measure::Latency;
    Some(weigh(rules, what, &shares, &harm, &TOLERATED_SLOW, &verb))
}

/// What requests do that took longer than a bound.
pub(super) fn are_slower_than(bound: u64) -> String {
    match bound {
        u64::MAX => "are slow".to_owned(),
        bound => format!("take longer than {}", Span(bound.div_ceil(1_000))),
    }
}

/// The bound of the histogram that comes closest to leaving such a share above it.
pub(super) fn bound_of(old: &Histogram, beyond: f64) -> u64 {
    let total = float(old.total()).max(1.0);
    let off = |bound: &u64| {
        let share = float(old.slower_than(*bound)).max(0.5) / total;
        (share.ln() - beyond.ln()).abs()
    };
    let bounds = old.0.keys().filter(|bound| **bound != u64::MAX);
    let nearest = bounds.min_by(|one, other| off(one).total_cmp(&off(other)));
    nearest.copied().unwrap_or(u64::MAX)
}

fn weigh(
    rules: Rules,
    measure: Measure,
    shares: &Shares,
    harm: &Harm,
    tolerated: &Margin,
    verb: &str,
) -> Weighed {
    let (events, part) = (shares.events(), shares.part());
    let worse = evidence::more_often(events, part);
    // Harm is both, so evidence against either is evidence against harm.
    let harmless = evidence::mean(
        evidence::less_often_than(harm.factor, events, part),
        evidence::below(harm.floor, shares.new.0, shares.new.1),
    );
    let least = rules.analysis.min_requests;
    let enough = shares.new.1.min(shares.old.1) >= least;
    let verdict = if worse >= rules.fails_at(measure) && shares.is_beyond(tolerated) {
        Verdict::Fail
    } else if enough && harmless >= Rules::passes_at() {
        Verdict::Pass
    } else {
        Verdict::NotEnough
    };
    let (new, old) = (
        percent(shares.share_of_new()),
        percent(shares.share_of_old()),
    );
    let words = format!(
        "{new} of {} requests {verb}, {old} of {} of the last good version; chance of that if it were no worse: \
         {}, if it did harm (at least {} times as many and {}): {}",
        shares.new.1,
        shares.old.1,
        chance(worse),
        harm.factor,
        percent(harm.floor),
        chance(harmless),
    );
    Weighed {
        measure,
        verdict,
        new: shares.share_of_new(),
        old: shares.share_of_old(),
        if_no_worse: (-worse).exp().min(1.0),
        if_harmful: Some((-harmless).exp().min(1.0)),
        words,
    }
}

fn share((events, all): (u64, u64)) -> f64 {
    if all == 0 {
        0.0
    } else {
        float(events) / float(all)
    }
}
