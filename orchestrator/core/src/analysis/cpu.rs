//! CPU time of a request, as means over stretches of a few seconds. It can fail a version, and holds
//! none up. Pure.
//!
//! Its variance is estimated from the stretches, so that the stated chance holds for many of them only;
//! for that, and because a program that just began is dearer, much is tolerated. Where instances of the
//! new version have fewer requests each, what they use by themselves weighs more: it may cost so many times
//! as much as if that were all there is ([`Pair::idleness`]).

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
    let idle = pair.idleness();
    let (usual, variance_usual) = (before * idle, variance_before * idle * idle);
    // Half as much again is what is looked for.
    let scale = usual * (TOLERATED - 1.0);
    let evidence = evidence::differs(cost - usual, variance + variance_usual, scale);
    let worse = if cost > usual { evidence } else { 0.0 };
    let measure = Measure::Cpu;
    let fails = worse >= rules.fails_at(measure) && cost > usual * TOLERATED;
    let verdict = match (enough, fails) {
        (false, _) => Verdict::NotEnough,
        (true, true) => Verdict::Fail,
        (true, false) => Verdict::Pass,
    };
    let fewer = if idle >= 1.05 {
        format!(", whose instances had {idle:.1} times as many requests each")
    } else {
        String::new()
    };
    let words = format!(
        "{:.2} ms of CPU for a request in {} stretches, {:.2} ms in {} of the last good version{fewer}; chance of \
         that if it were no worse: {}",
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
