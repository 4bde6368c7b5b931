//! CPU time of a request, as means over stretches of a few seconds. It can fail a version, and holds
//! none up. Pure.
//!
//! Its variance is estimated from the stretches, so that the stated chance holds for many of them only;
//! for that, and because a program that just began is dearer, much is tolerated.

use super::{Measure, Pair, Rules, Verdict, Weighed, evidence, words::chance};

/// Stretches of either version below which nothing is said.
const LEAST: u32 = 20;
/// So many times as much may a request cost without being sent back for it.
const TOLERATED: f64 = 1.5;

/// Whether a request costs more; `None` where nobody measures that of both.
pub(super) fn of_a_request(rules: Rules, pair: &Pair) -> Option<Weighed> {
    let (new, old) = (pair.new.cpu?, pair.old.cpu?);
    let ((cost, variance), (before, variance_before)) = (new.mean()?, old.mean()?);
    let enough = new.stretches.min(old.stretches) >= LEAST;
    // Half as much again is what is looked for.
    let scale = before * (TOLERATED - 1.0);
    let evidence = evidence::differs(cost - before, variance + variance_before, scale);
    let worse = if cost > before { evidence } else { 0.0 };
    let measure = Measure::Cpu;
    let fails = worse >= rules.fails_at(measure) && cost > before * TOLERATED;
    let verdict = match (enough, fails) {
        (false, _) => Verdict::NotEnough,
        (true, true) => Verdict::Fail,
        (true, false) => Verdict::Pass,
    };
    let words = format!(
        "{:.2} ms of CPU for a request in {} stretches, {:.2} ms in {} of the last good version; chance of that if \
         it were no worse: {}",
        cost / 1_000.0,
        new.stretches,
        before / 1_000.0,
        old.stretches,
        chance(worse),
    );
    Some(Weighed {
        measure,
        verdict,
        new: cost,
        old: before,
        if_no_worse: (-worse).exp().min(1.0),
        if_harmful: None,
        words,
    })
}
