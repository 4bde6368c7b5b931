//! How many events were to be expected where so many came, up to a chance: for counts that are over and grow no
//! more, such as those of a version that no longer takes traffic. Pure.
//!
//! By Chernoff's inequality: where `mean` events are to be expected, so few as `events` (or so many, where those are
//! more) come with the chance `exp(−(mean − events + events · ln(events / mean)))` at most. That is so for events that
//! come by themselves (Poisson) and for requests that fail or not, also where each has its own chance.

use super::evidence::float;

/// Halvings of an interval; sixty tell doubles apart.
const HALVINGS: u32 = 60;

/// The most that may have been to be expected: more than this was with `chance` (between 0 and 1) at most.
pub(super) fn most(events: u64, chance: f64) -> f64 {
    let (events, surprise) = (float(events), -chance.ln());
    let mut high = events + surprise + 1.0;
    while surprise_of(events, high) < surprise {
        high *= 2.0;
    }
    between(events, high, |mean| surprise_of(events, mean) < surprise)
}

/// The least that may have been to be expected: less than this was with `chance` (between 0 and 1) at most.
pub(super) fn least(events: u64, chance: f64) -> f64 {
    let (events, surprise) = (float(events), -chance.ln());
    between(0.0, events, |mean| surprise_of(events, mean) > surprise)
}

/// How little a number of events fits a mean: minus the logarithm of its chance, at least.
fn surprise_of(events: f64, mean: f64) -> f64 {
    if events <= 0.0 {
        mean
    } else if mean <= 0.0 {
        f64::INFINITY
    } else {
        mean - events + events * (events / mean).ln()
    }
}

/// Where in an interval something that is so at its low end is so no longer.
fn between(mut low: f64, mut high: f64, is_below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = low + (high - low) / 2.0;
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low + (high - low) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_events_few_were_to_be_expected() {
        assert!((most(0, 0.05) - 20.0_f64.ln()).abs() < 1e-9);
        assert!(least(0, 0.05).abs() < 1e-9);
    }

    #[test]
    fn the_true_mean_lies_between_but_for_the_stated_chance() {
        for mean in [0.4_f64, 3.0, 40.0] {
            for chance in [0.004, 0.05] {
                let (mut above, mut below) = (0.0, 0.0);
                let mut this = (-mean).exp();
                for events in 0..400 {
                    above += if most(events, chance) < mean {
                        this
                    } else {
                        0.0
                    };
                    below += if least(events, chance) > mean {
                        this
                    } else {
                        0.0
                    };
                    this *= mean / float(events + 1);
                }
                assert!(
                    above <= chance && below <= chance,
                    "{mean}: {above} {below}"
                );
            }
        }
    }

    #[test]
    fn many_events_are_close_to_what_was_to_be_expected() {
        let (low, high) = (least(10_000, 0.004), most(10_000, 0.004));
        assert!(9_600.0 < low && low < 9_700.0, "{low}");
        assert!(10_300.0 < high && high < 10_400.0, "{high}");
    }
}
