//! How alike windows have to be, learnt from how alike they were.
//!
//! Two bars, after dual vigilance (Brito da Silva, Elnabarawy and Wunsch, 2019): windows that reach the upper
//! one are the usual; ones below the lower one are unheard of. The upper is the mean likeness; the
//! lower creeps up to the least of late while nothing falls below it, and gives way where something does.

use std::collections::VecDeque;

/// Nothing is expected to be more alike than this.
pub(crate) const ALIKE: f64 = 0.97;
/// What is expected at first, and for how many windows that counts.
const EXPECTED: f64 = 0.8;
const EXPECTED_WINDOWS: f64 = 10.0;
/// Windows over which the usual likeness is taken.
const REMEMBERED: f64 = 1_000.0;
/// Windows between two moves of the lower bar; it looks at so many, and gives way by twice so many.
const EVERY: usize = 52;
/// The share of the way to the least likeness that it goes up.
const UP: f64 = 0.19;
/// It goes down by half the mean of what lay this far and more below the upper, each at most so much;
/// at the least by half of the last.
const BELOW: f64 = 0.05;
const BELOW_MOST: f64 = 0.37;
const DOWN_LEAST: f64 = 0.01;
/// How much falling below the upper bar counts; the rest is falling below the lower.
const UPPER: f64 = 0.35;

/// The bars, from 0 to 1.
#[derive(Debug, Clone)]
pub(crate) struct Vigilance {
    mean: f64,
    windows: f64,
    lower: f64,
    /// Likeness of each of the latest windows, and how far it lay below the upper bar.
    late: VecDeque<(f64, f64)>,
    until_move: usize,
}

impl Vigilance {
    pub(crate) fn new() -> Self {
        Self {
            mean: EXPECTED,
            windows: EXPECTED_WINDOWS,
            lower: EXPECTED,
            late: VecDeque::with_capacity(2 * EVERY + 1),
            until_move: EVERY,
        }
    }

    /// From here on a window is as usual.
    pub(crate) fn upper(&self) -> f64 {
        self.mean.min(ALIKE)
    }

    /// How far `likeness` falls below the bars, against how far it could; negative above them.
    pub(crate) fn falls_short(&self, likeness: f64) -> f64 {
        let bar = self.upper() * UPPER + self.lower * (1.0 - UPPER);
        (bar - likeness) / (1.0 - likeness).max(0.001)
    }

    pub(crate) fn learn(&mut self, likeness: f64) {
        let upper = self.upper();
        self.windows = (self.windows + 1.0).min(REMEMBERED);
        self.mean += (likeness - self.mean) / self.windows;
        self.late.push_back((likeness, upper - likeness));
        if self.late.len() > 2 * EVERY {
            self.late.pop_front();
        }
        self.until_move -= 1;
        if self.until_move == 0 {
            self.until_move = EVERY;
            self.lower = self.moved().min(upper);
        }
    }

    fn moved(&self) -> f64 {
        let latest = self.late.iter().rev().take(EVERY);
        let least = latest.fold(1.0, |least: f64, (likeness, _)| least.min(*likeness));
        if self.lower <= least {
            return self.lower + (least - self.lower) * UP;
        }
        let far = self.late.iter().map(|(_, below)| *below);
        let (count, sum) = far
            .filter(|below| *below > BELOW)
            .fold((0.0, 0.0), |(count, sum), below| {
                (count + 1.0, sum + below.min(BELOW_MOST))
            });
        self.lower - (sum / f64::max(count, 1.0)).max(DOWN_LEAST) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_likeness_raises_the_bars_and_a_fall_lowers_the_lower_one() {
        let mut vigilance = Vigilance::new();
        (0..500).for_each(|_| vigilance.learn(0.95));
        assert!(vigilance.upper() > 0.94 && vigilance.lower > 0.9);
        assert!(vigilance.falls_short(0.95) < 0.01 && vigilance.falls_short(0.3) > 0.8);
        let before = vigilance.lower;
        (0..EVERY).for_each(|_| vigilance.learn(0.2));
        assert!(vigilance.lower < before);
    }
}
