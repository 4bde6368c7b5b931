//! What happens too rarely to be shown absent in one step: restarts, kills for lack of memory, new kinds
//! of error lines. Each can fail a version, none holds it up. Pure.
//!
//! Events come by themselves and independently (Poisson), over the time that instances were there or over
//! requests. Runs of one instance that fail one after the other do not, so only a few of each count; lines
//! that are written together neither, so an instance counts once a look.

use super::{
    Counts, Measure, Pair, Rules, Verdict, Weighed,
    evidence::{self, Events, float},
    words::chance,
};

/// So many times as often may it happen without being sent back for it.
const TOLERATED: f64 = 1.5;
/// Failed runs of one instance that count.
pub(crate) const RUNS_LIMIT: usize = 3;
const HOUR_MS: f64 = 3_600_000.0;

/// Whether its instances fail more often.
pub(super) fn restarts(rules: Rules, pair: &Pair) -> Option<Weighed> {
    let count = |counts: &Counts| counts.restarts;
    over_time(rules, Measure::Restarts, pair, count, "failed runs")
}

/// Whether its instances are killed more often for their memory.
pub(super) fn out_of_memory(rules: Rules, pair: &Pair) -> Option<Weighed> {
    let count = |counts: &Counts| counts.out_of_memory;
    over_time(
        rules,
        Measure::OutOfMemory,
        pair,
        count,
        "kills for lack of memory",
    )
}

fn over_time(
    rules: Rules,
    measure: Measure,
    pair: &Pair,
    count: impl Fn(&Counts) -> u64,
    what: &str,
) -> Option<Weighed> {
    let time = |counts: &Counts| float(counts.there.0);
    let exposure = (time(&pair.new), time(&pair.old));
    let events = Events {
        new: count(&pair.new),
        old: count(&pair.old),
    };
    let minutes = |ms: f64| ms / 60_000.0;
    let words = format!(
        "{} {what} in {:.0} instance-minutes, {} in {:.0} of the last good version",
        events.new,
        minutes(exposure.0),
        events.old,
        minutes(exposure.1),
    );
    let of_hours = |ms: f64| ms / HOUR_MS;
    let hours = (of_hours(exposure.0), of_hours(exposure.1));
    weigh(rules, measure, events, hours, words)
}

/// Whether kinds of error lines that nobody had written before come more often; `None` where the logs of either
/// are not read: that nobody listened is not that nothing was written. As often as requests come, or, where each look finds one, as often as there are instances to look at:
/// of the new version's two shares, the larger one counts.
pub(super) fn new_errors(rules: Rules, pair: &Pair) -> Option<Weighed> {
    let events = Events {
        new: pair.new.new_errors?,
        old: pair.old.new_errors?,
    };
    let requests = (pair.new.requests, pair.old.requests);
    let exposure = (float(requests.0) * pair.idleness(), float(requests.1));
    let words = format!(
        "new kinds of error lines {} in {} requests, {} in {} of the last good version",
        times(events.new),
        requests.0,
        times(events.old),
        requests.1,
    );
    weigh(rules, Measure::NewErrors, events, exposure, words)
}

fn times(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        many => format!("{many} times"),
    }
}

fn weigh(
    rules: Rules,
    measure: Measure,
    events: Events,
    (new, old): (f64, f64),
    words: String,
) -> Option<Weighed> {
    if new <= 0.0 || old <= 0.0 {
        return None;
    }
    let worse = evidence::more_often(events, new / (new + old));
    let (new_rate, old_rate) = (float(events.new) / new, float(events.old) / old);
    let fails = worse >= rules.fails_at(measure) && new_rate > old_rate * TOLERATED;
    Some(Weighed {
        measure,
        verdict: if fails { Verdict::Fail } else { Verdict::Pass },
        new: new_rate,
        old: old_rate,
        if_no_worse: (-worse).exp().min(1.0),
        if_harmful: None,
        words: format!(
            "{words}; chance of that if it were no worse: {}",
            chance(worse)
        ),
    })
}
