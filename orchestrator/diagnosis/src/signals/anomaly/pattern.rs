//! Windows of a series that were met before, as patterns that widen to hold what is like them.
//!
//! A pattern is a box: a low and a high for each number of a window (fuzzy adaptive resonance:
//! Carpenter, Grossberg and Rosen, 1991; for series of metrics: ARTime, Hampton, 2021). A window that is
//! as like a pattern as windows mostly were widens it; any other becomes a pattern itself.

use super::vigilance::Vigilance;

/// Numbers in a window.
pub(crate) const WINDOW: usize = 8;
/// Patterns that are kept; the one that was not met for longest goes first.
pub(crate) const MOST: usize = 200;
/// How much the whole window counts, and how much its latest number, as powers.
const WHOLE: f64 = 3.0;
const LATEST: f64 = 2.0;
/// What a latest number off its pattern counts beside the whole.
const OFF: f64 = 1.5;

/// No side counts as less tight than this.
const LOOSEST: f64 = 1e-3;

/// A window: its form, from 0 to 1, and its numbers, oldest first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    pub form: [f64; WINDOW],
    pub values: [f64; WINDOW],
}

/// Where a series' numbers lie; likeness is told in shares of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub low: f64,
    pub width: f64,
}

impl Span {
    fn share(self, value: f64) -> f64 {
        ((value - self.low) / self.width).clamp(0.0, 1.0)
    }
}

/// What one number of a pattern's windows was.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    low: f64,
    high: f64,
}

impl Side {
    fn at(value: f64) -> Self {
        Self {
            low: value,
            high: value,
        }
    }

    fn widen(&mut self, value: f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    fn on(self, span: Span) -> Self {
        Self {
            low: span.share(self.low),
            high: span.share(self.high),
        }
    }

    /// How tight it is, and how much of that stays once it holds `share` too: 1 for a single number.
    fn overlap(self, share: f64) -> (f64, f64) {
        let tight = self.low + 1.0 - self.high;
        let stays = self.low.min(share) + 1.0 - self.high.max(share);
        (tight, stays)
    }
}

/// How like a window is to a pattern, from 0 to 1: all of it, and its latest number alone.
#[derive(Debug, Clone, Copy, Default)]
struct Likeness {
    whole: f64,
    latest: f64,
}

#[derive(Debug, Clone)]
struct Pattern {
    form: [Side; WINDOW],
    values: [Side; WINDOW],
    met: u64,
}

impl Pattern {
    fn of(sample: &Sample, met: u64) -> Self {
        Self {
            form: sample.form.map(Side::at),
            values: sample.values.map(Side::at),
            met,
        }
    }

    /// `shares` are the sample's values as shares of `span`. Nothing where the whole could not reach `least`,
    /// which spares most patterns the powers.
    fn likeness(
        &self,
        sample: &Sample,
        shares: &[f64; WINDOW],
        span: Span,
        least: f64,
    ) -> Option<Likeness> {
        let form = self.form.iter().copied().zip(&sample.form);
        let values = self.values.iter().map(|side| side.on(span)).zip(shares);
        let (mut tight, mut stays, mut latest) = (0.0, 0.0, 0.0);
        for (side, share) in form.chain(values) {
            let (was, is) = side.overlap(*share);
            tight += was;
            stays += is;
            latest = is / was.max(LOOSEST);
        }
        let whole: f64 = stays / f64::max(tight, LOOSEST);
        // Both are 1 at most, so their powers are no more than the whole.
        (whole >= least).then(|| Likeness {
            whole: whole.powf(WHOLE) * latest.powf(LATEST),
            latest,
        })
    }

    fn widen(&mut self, sample: &Sample, met: u64) {
        let mine = self.form.iter_mut().chain(&mut self.values);
        for (side, value) in mine.zip(sample.form.iter().chain(&sample.values)) {
            side.widen(*value);
        }
        self.met = met;
    }
}

/// The patterns, and how alike windows have to be.
#[derive(Debug, Clone)]
pub(crate) struct Patterns {
    held: Vec<Pattern>,
    met: u64,
    vigilance: Vigilance,
}

impl Patterns {
    pub(crate) fn new() -> Self {
        Self {
            held: Vec::new(),
            met: 0,
            vigilance: Vigilance::new(),
        }
    }

    /// How new a window is, from 0 for one as usual to 1; then it is known.
    pub(crate) fn meet(&mut self, sample: &Sample, span: Span) -> f64 {
        self.met += 1;
        let best = self.best(sample, span);
        let new = self.vigilance.falls_short(best.whole) + (1.0 - best.latest) * OFF;
        self.vigilance.learn(best.whole);
        new.clamp(0.0, 1.0)
    }

    /// The likeness to the likest pattern. All that the sample is as like as usual widen; where there is
    /// none it becomes one.
    fn best(&mut self, sample: &Sample, span: Span) -> Likeness {
        let usual = self.vigilance.upper();
        let shares = sample.values.map(|value| span.share(value));
        let mut best = Likeness::default();
        for pattern in &mut self.held {
            let least = usual.min(best.whole);
            let Some(likeness) = pattern.likeness(sample, &shares, span, least) else {
                continue;
            };
            if likeness.whole >= usual {
                pattern.widen(sample, self.met);
            }
            if likeness.whole > best.whole {
                best = likeness;
            }
        }
        if best.whole < usual {
            self.keep(sample);
        }
        best
    }

    fn keep(&mut self, sample: &Sample) {
        if self.held.len() >= MOST {
            let oldest = self.held.iter().enumerate().min_by_key(|(_, one)| one.met);
            if let Some((place, _)) = oldest {
                self.held.swap_remove(place);
            }
        }
        self.held.push(Pattern::of(sample, self.met));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span {
        low: 0.0,
        width: 1.0,
    };

    fn flat(value: f64) -> Sample {
        Sample {
            form: [0.0; WINDOW],
            values: [value; WINDOW],
        }
    }

    #[test]
    fn what_was_met_often_is_not_new_and_another_level_is() {
        let mut patterns = Patterns::new();
        let first = patterns.meet(&flat(0.2), SPAN);
        assert!((first - 1.0).abs() < 1e-9);
        for _ in 0..100 {
            let _ = patterns.meet(&flat(0.2), SPAN);
        }
        assert!(patterns.meet(&flat(0.2), SPAN) < 0.1);
        assert!(patterns.meet(&flat(0.9), SPAN) > 0.7);
    }

    /// A sample that is another one for each `i`.
    fn odd(i: u32) -> Sample {
        let numbers = |step: u32| {
            std::array::from_fn(|j| f64::from((i * 31 + j as u32 * step) % 101) / 101.0)
        };
        Sample {
            form: numbers(57),
            values: numbers(13),
        }
    }

    #[test]
    fn what_is_passed_over_is_not_alike_enough() {
        let mut passed = 0;
        for i in 0..500 {
            let (pattern, sample) = (Pattern::of(&odd(i * 7), 0), odd(i));
            let told = pattern
                .likeness(&sample, &sample.values, SPAN, 0.0)
                .unwrap();
            if pattern
                .likeness(&sample, &sample.values, SPAN, 0.6)
                .is_none()
            {
                assert!(told.whole < 0.6);
                passed += 1;
            }
        }
        assert!((1..500).contains(&passed), "{passed}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut patterns = Patterns::new();
        for i in 0..2_000_u32 {
            let mut sample = flat(f64::from(i % 89) / 89.0);
            sample.form = odd(i).form;
            let _ = patterns.meet(&sample, SPAN);
        }
        assert!(patterns.held.len() <= MOST);
    }
}
