//! A version that took all the traffic at once, against what the one before showed until then. Pure.
//!
//! The two never answer at the same time, so whatever came with the hour looks like the new version's doing. Being
//! worse is not enough here: harm itself must be shown, so many times the old share *and* a floor, as
//! `spec.update.analysis` has it. Up to that, the hour may have brought it. What is slow is slower than usual
//! by a bound more, for the same reason; runs may fail twice as often.
//!
//! The old version's counts are over and grow no more, so the evidence of `requests` (whose shares must stay as they
//! are) says nothing here. Half of the chance to be wrong bounds what was to be expected of the old version
//! ([`bounds`]); with the other half the new version's events are held against that bound, at any look.

use super::{
    Counts, FALSE_PASS, Measure, Pair, Rules, Verdict, Weighed, bounds,
    evidence::{self, float},
    requests::{Harm, Shares, are_slower_than, bound_of},
    words::{chance, percent},
};

/// Events below which no version fails: a moment's trouble is none of a version's.
const LEAST_EVENTS: u64 = 5;
/// In microseconds: below that the machine's own hour makes requests slow.
const LEAST_SLOW: u64 = 20_000;
/// So many times as often may runs fail because of the hour.
const DRIFT: f64 = 2.0;
/// Moves after which runs are counted anew: a preview begins, bakes, is promoted. They share the chance to be wrong.
const MOVES: u32 = 3;

/// Whether requests fail so much more often that it is harm.
pub(super) fn errors(rules: Rules, pair: &Pair) -> Weighed {
    let case = Case {
        measure: Measure::Errors,
        shares: Shares::of_errors(pair),
        harm: Harm::of_errors(rules),
        among: 1.0,
        verb: "fail".to_owned(),
    };
    weigh(rules, &case)
}

/// Whether so many more requests are slow that it is harm; `None` where nobody measures how long they take.
pub(super) fn latency(rules: Rules, pair: &Pair) -> Option<Weighed> {
    let (new, old) = (&pair.new.latency, &pair.old.latency);
    if new.0.is_empty() && old.0.is_empty() {
        return None;
    }
    let slow = rules.analysis.latency;
    let usual = bound_of(old, 1.0 - slow.quantile / 100.0);
    let bounds = old.0.keys().chain(new.0.keys()).copied();
    let bounds = bounds.filter(|bound| *bound > usual && *bound >= LEAST_SLOW);
    // Where nobody counts what takes so long, nothing is slow.
    let bound = bounds.min().unwrap_or(u64::MAX);
    let case = Case {
        measure: Measure::Latency,
        shares: Shares::slower_than(bound, pair),
        harm: Harm::of_latency(rules),
        // The old version's own counts pick the bound.
        among: float(u64::try_from(old.0.len()).unwrap_or(u64::MAX)).max(1.0),
        verb: are_slower_than(bound),
    };
    Some(weigh(rules, &case))
}

struct Case {
    measure: Measure,
    shares: Shares,
    harm: Harm,
    /// Of so many shares of the old version this is one.
    among: f64,
    verb: String,
}

impl Case {
    /// The share from which on it is harm, where the old version is to have so many events.
    fn harmful_from(&self, old_events: f64) -> f64 {
        let usual = old_events / float(self.shares.old.1).max(1.0);
        (usual * self.harm.factor).max(self.harm.floor)
    }
}

fn weigh(rules: Rules, case: &Case) -> Weighed {
    let (new, old) = (case.shares.new, case.shares.old);
    let (wrong, missed) = (rules.chance(case.measure) / 2.0, FALSE_PASS / 2.0);
    let (mut worse, mut harmless) = (0.0, 0.0);
    if old.1 > 0 {
        let most = case.harmful_from(bounds::most(old.0, wrong / case.among));
        let least = case.harmful_from(bounds::least(old.0, missed / case.among));
        worse = evidence::above(most, new.0, new.1);
        harmless = evidence::below(least.min(0.99), new.0, new.1);
    }
    let enough = new.1.min(old.1) >= rules.analysis.min_requests;
    let verdict = if worse >= -wrong.ln() && new.0 >= LEAST_EVENTS {
        Verdict::Fail
    } else if enough && harmless >= -missed.ln() {
        Verdict::Pass
    } else {
        Verdict::NotEnough
    };
    let (if_harmless, if_harmful) = (with(wrong, worse), with(missed, harmless));
    let before = if old.1 > 0 {
        let share = percent(case.shares.share_of_old());
        format!("{share} of {} of the last good version before it", old.1)
    } else {
        "of the last good version before it nothing is known".to_owned()
    };
    let words = format!(
        "{} of {} requests {}, {before}; chance of that if it did no harm (at least {} times as many and {}): {}, \
         if it did: {}",
        percent(case.shares.share_of_new()),
        new.1,
        case.verb,
        case.harm.factor,
        percent(case.harm.floor),
        chance(-if_harmless.ln()),
        chance(-if_harmful.ln()),
    );
    Weighed {
        measure: case.measure,
        verdict,
        new: case.shares.share_of_new(),
        old: case.shares.share_of_old(),
        if_no_worse: if_harmless,
        if_harmful: Some(if_harmful),
        words,
    }
}

/// The chance of evidence like this with that of a wrong bound.
fn with(wrong: f64, evidence: f64) -> f64 {
    (wrong + (-evidence).exp()).min(1.0)
}

/// Whether its instances fail more often; `None` where none of the old version was there before.
pub(super) fn restarts(rules: Rules, pair: &Pair) -> Option<Weighed> {
    let count = |counts: &Counts| counts.restarts;
    runs(rules, Measure::Restarts, pair, count, "failed runs")
}

/// Whether its instances are killed more often for their memory.
pub(super) fn out_of_memory(rules: Rules, pair: &Pair) -> Option<Weighed> {
    let count = |counts: &Counts| counts.out_of_memory;
    let what = "kills for lack of memory";
    runs(rules, Measure::OutOfMemory, pair, count, what)
}

fn runs(
    rules: Rules,
    measure: Measure,
    pair: &Pair,
    count: impl Fn(&Counts) -> u64,
    what: &str,
) -> Option<Weighed> {
    let minutes = |counts: &Counts| float(counts.there.0) / 60_000.0;
    let (time, time_before) = (minutes(&pair.new), minutes(&pair.old));
    let (events, events_before) = (count(&pair.new), count(&pair.old));
    if time_before <= 0.0 {
        return None;
    }
    let wrong = rules.chance(measure) / f64::from(MOVES) / 2.0;
    let usual = bounds::most(events_before, wrong) / time_before;
    let worse = evidence::more_than(usual * DRIFT * time, events);
    let fails = worse >= -wrong.ln() && events >= LEAST_EVENTS;
    let if_no_worse = with(wrong, worse);
    // A moment of no length has no rate.
    let of_an_hour = |events: u64, minutes: f64| float(events) * 60.0 / minutes.max(1e-3);
    Some(Weighed {
        measure,
        verdict: if fails { Verdict::Fail } else { Verdict::Pass },
        new: of_an_hour(events, time),
        old: of_an_hour(events_before, time_before),
        if_no_worse,
        if_harmful: None,
        words: format!(
            "{events} {what} in {time:.0} instance-minutes, {events_before} in {time_before:.0} of the last good \
             version before it; chance of that if there were {DRIFT} times as many at most: {}",
            chance(-if_no_worse.ln())
        ),
    })
}
