//! Evidence from counts that may be looked at at any time, as often as one likes: e-processes. Pure.
//!
//! An e-process against a claim has expectation 1 at most while the claim is true, whenever one stops; so
//! whatever one's rule of looking, it ever reaches 1/α with probability α at most (Ville 1939; Ramdas,
//! Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference", 2023). All here are
//! finite mixtures of likelihood ratios of *cumulative* counts, so nothing of earlier looks is remembered.
//!
//! Two versions: Turner, Ly, Grünwald, "Generic E-variables for exact sequential k-sample tests that
//! allow for optional stopping", 2024, for two rates; in the form that conditions on the events, as in
//! Lindon, Malek, "Anytime-valid inference for multinomial count data", 2022: of all events, which part is the
//! new version's? With rates in the proportion r, and a share w of the requests, that is wr / (wr + 1 − w).
//! What happens to both at the same time therefore cancels out. By the inequality of means the expectation
//! is 1 at most for every pair of rates in the claim, not for small rates only; exactly so at every single
//! look, and over all looks while the share stays as it is, which a step's does.
//!
//! One version: its events against a bound that was fixed before they came ([`above`], [`below`], [`more_than`]); these
//! hold over all looks, however much traffic there is when.

/// Proportions that evidence for "worse" bets on, and how much on each. Twice is what is looked for.
const WORSE: [(f64, f64); 7] = [
    (1.5, 0.18),
    (2.0, 0.36),
    (3.0, 0.2),
    (5.0, 0.11),
    (10.0, 0.08),
    (30.0, 0.05),
    (100.0, 0.02),
];
/// Proportions that evidence against harm bets on. As good as before is what is hoped for.
const FINE: [(f64, f64); 4] = [(0.1, 0.1), (0.5, 0.15), (0.8, 0.2), (1.0, 0.55)];
/// Parts of a bound that evidence for lying below it bets on.
const BELOW: [(f64, f64); 5] = [
    (0.0, 0.25),
    (0.1, 0.25),
    (0.25, 0.2),
    (0.5, 0.2),
    (0.7, 0.1),
];

/// Events of the new and of the old version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Events {
    pub new: u64,
    pub old: u64,
}

/// The logarithm of the evidence against "the new version has such events no more often than the old
/// one", where it has this share (0 to 1) of the requests, or of the time.
pub(super) fn more_often(events: Events, share: f64) -> f64 {
    mixture(WORSE.map(|(times, weight)| (weight, proportion(events, share, times, 1.0))))
}

/// The logarithm of the evidence against "the new version has such events at least `times` as often as the
/// old one".
pub(super) fn less_often_than(times: f64, events: Events, share: f64) -> f64 {
    mixture(FINE.map(|(fine, weight)| (weight, proportion(events, share, fine, times))))
}

/// The logarithm of the evidence against "at least `bound` (between 0 and 1) of all have such events".
pub(super) fn below(bound: f64, events: u64, of: u64) -> f64 {
    let (events, others) = (float(events), float(of.saturating_sub(events)));
    mixture(BELOW.map(|(part, weight)| {
        let share = bound * part;
        let ratio =
            times_ln(events, share / bound) + times_ln(others, (1.0 - share) / (1.0 - bound));
        (weight, ratio)
    }))
}

/// The logarithm of the evidence against "at most `bound` of all have such events"; none where the bound is not
/// between 0 and 1. It bets on so many times the odds.
pub(super) fn above(bound: f64, events: u64, of: u64) -> f64 {
    if bound <= 0.0 || bound >= 1.0 {
        return 0.0;
    }
    let (events, others) = (float(events), float(of.saturating_sub(events)));
    mixture(WORSE.map(|(times, weight)| {
        let share = times * bound / (1.0 - bound + times * bound);
        let ratio =
            times_ln(events, share / bound) + times_ln(others, (1.0 - share) / (1.0 - bound));
        (weight, ratio)
    }))
}

/// The logarithm of the evidence against "at most so many events were to be expected by now", of events that come by
/// themselves (Poisson).
pub(super) fn more_than(expected: f64, events: u64) -> f64 {
    mixture(WORSE.map(|(times, weight)| {
        let ratio = times_ln(float(events), times) - expected * (times - 1.0);
        (weight, ratio)
    }))
}

/// The logarithm of the evidence against "the two means are equal", from their difference, its variance,
/// and the size of difference that is looked for: the mixture sequential probability ratio test with a
/// normal prior (Robbins 1970; Johari, Koomen, Pekelis, Walsh, "Always valid inference", 2022). It holds for many
/// values only: the variance is estimated from them.
pub(super) fn differs(difference: f64, variance: f64, scale: f64) -> f64 {
    if variance <= 0.0 || scale <= 0.0 {
        return 0.0;
    }
    let information = scale * scale / variance;
    let square = difference * difference / variance;
    0.5 * (square * information / (1.0 + information) - (1.0 + information).ln())
}

/// The logarithm of the mean of two that are against the same claim.
pub(super) fn mean(one: f64, other: f64) -> f64 {
    mixture([(0.5, one), (0.5, other)])
}

/// The logarithm of the likelihood of proportion `alternative` over that of `claim`.
fn proportion(events: Events, share: f64, alternative: f64, claim: f64) -> f64 {
    let whole = |times: f64| share * times + 1.0 - share;
    let all = float(events.new) + float(events.old);
    times_ln(float(events.new), alternative / claim)
        + times_ln(all, whole(claim) / whole(alternative))
}

/// Zero times whatever is zero.
fn times_ln(times: f64, value: f64) -> f64 {
    if times > 0.0 { times * value.ln() } else { 0.0 }
}

fn mixture<const N: usize>(parts: [(f64, f64); N]) -> f64 {
    let highest = parts
        .iter()
        .map(|(_, log)| *log)
        .fold(f64::NEG_INFINITY, f64::max);
    if !highest.is_finite() {
        return 0.0;
    }
    let sum: f64 = parts
        .iter()
        .map(|(weight, log)| weight * (log - highest).exp())
        .sum();
    highest + sum.ln()
}

/// Counts beyond 2^53 lose their last digits, which says nothing here.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "there is no lossless way, and none is needed"
)]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expectation of the evidence over all outcomes of fixed numbers of requests.
    fn expectation(new: (u64, f64), old: (u64, f64), log: impl Fn(Events) -> f64) -> f64 {
        let chances = |(of, rate): (u64, f64)| {
            let mut chance = (1.0 - rate).powi(i32::try_from(of).unwrap());
            (0..=of).map(move |count| {
                let this = chance;
                chance *= float(of - count) / float(count + 1) * rate / (1.0 - rate);
                (count, this)
            })
        };
        let one = |(new, chance): (u64, f64)| -> f64 {
            let inner = chances(old).map(|(old, other)| other * log(Events { new, old }).exp());
            chance * inner.sum::<f64>()
        };
        chances(new).map(one).sum()
    }

    #[test]
    fn the_mean_evidence_against_what_is_true_is_one_at_most_at_every_rate_and_share() {
        for (new, old) in [(40, 40), (10, 90), (80, 20), (3, 150)] {
            let share = float(new) / float(new + old);
            for rate in [0.01, 0.1, 0.4] {
                for times in [0.3, 0.7, 1.0] {
                    let worse = expectation((new, rate * times), (old, rate), |events| {
                        more_often(events, share)
                    });
                    assert!(worse <= 1.0 + 1e-9, "{new} {old} {rate} {times}: {worse}");
                }
                for times in [2.0, 2.3] {
                    let fine = expectation((new, rate * times), (old, rate), |events| {
                        less_often_than(2.0, events, share)
                    });
                    assert!(fine <= 1.0 + 1e-9, "{new} {old} {rate} {times}: {fine}");
                }
                let low = expectation((new, rate), (old, rate), |events| {
                    below(rate, events.new, new)
                });
                assert!(low <= 1.0 + 1e-9, "{new} {rate}: {low}");
                let high = expectation((new, rate), (old, rate), |events| {
                    above(rate, events.new, new)
                });
                assert!(high <= 1.0 + 1e-9, "{new} {rate}: {high}");
            }
        }
    }

    #[test]
    fn the_mean_evidence_of_what_comes_as_often_as_expected_is_one_at_most() {
        for expected in [0.3_f64, 2.0, 9.0] {
            for times in [0.5, 1.0] {
                let mean = expected * times;
                let mut chance = (-mean).exp();
                let sum: f64 = (0..60)
                    .map(|events| {
                        let this = chance;
                        chance *= mean / float(events + 1);
                        this * more_than(expected, events).exp()
                    })
                    .sum();
                assert!(sum <= 1.0 + 1e-9, "{expected} {times}: {sum}");
            }
        }
    }

    #[test]
    fn nothing_says_nothing_and_the_whole_share_neither() {
        let none = Events { new: 0, old: 0 };
        assert!(more_often(none, 0.3).abs() < 1e-12);
        assert!(less_often_than(2.0, none, 0.3).abs() < 1e-12);
        assert!(below(0.1, 0, 0).abs() < 1e-12);
        assert!(above(0.1, 0, 0).abs() < 1e-12);
        assert!(more_than(0.0, 0).abs() < 1e-12);
        assert!(
            above(1.0, 50, 50).abs() < 1e-12,
            "what is always so is no news"
        );
        let alone = Events { new: 50, old: 0 };
        assert!(more_often(alone, 1.0).abs() < 1e-9);
        assert!(more_often(alone, 0.5) > 20.0);
        assert!(differs(1.0, 0.0, 1.0).abs() < 1e-12);
    }
}
