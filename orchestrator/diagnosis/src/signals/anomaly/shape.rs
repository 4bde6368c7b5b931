//! How new the form of the last eight blocks of a series is, at one pace: points a block.
//!
//! A block is told by its mean, or by its furthest point where that stands out; what lies near the
//! usual is the usual. The form of eight blocks is their Haar wavelet transform, each stretched to 0 to 1.

use std::collections::VecDeque;

use super::pattern::{Patterns, Sample, Span, WINDOW};
use super::window::Window;

/// Points a block, the paces that are watched.
pub(crate) const PACES: [usize; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];
/// Windows that come before the first one that is judged.
const LEARNING: u64 = 30;
/// Within this share of the series' width from the middle, a block is at the middle.
const USUAL: f64 = 0.075;
/// A point that is further than this share of the width from its block's mean stands out.
const STANDS_OUT: f64 = 0.05;
/// Below this nothing is told apart from nothing.
const TINY: f64 = 1e-9;

/// One pace of a series.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pace: usize,
    block: Vec<f64>,
    /// The mean of the latest blocks, the latest counting half.
    lately: Option<f64>,
    low: f64,
    high: f64,
    levels: Window,
    values: VecDeque<f64>,
    patterns: Patterns,
    windows: u64,
}

impl Shape {
    pub(crate) fn new(pace: usize) -> Self {
        Self {
            pace,
            block: Vec::with_capacity(pace),
            lately: None,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            levels: Window::new(),
            values: VecDeque::with_capacity(WINDOW + 1),
            patterns: Patterns::new(),
            windows: 0,
        }
    }

    /// How new the window that `value` completes is, from 0 to 1; 0 where it completes no block.
    pub(crate) fn next(&mut self, value: f64) -> f64 {
        self.block.push(value);
        if self.block.len() < self.pace {
            return 0.0;
        }
        let level = self.level();
        self.block.clear();
        self.values.push_back(level);
        if self.values.len() > WINDOW {
            self.values.pop_front();
        }
        if self.values.len() < WINDOW {
            return 0.0;
        }
        let mut sample = Sample::default();
        for (to, from) in sample.values.iter_mut().zip(&self.values) {
            *to = *from;
        }
        sample.form = form(sample.values);
        let new = self.patterns.meet(&sample, self.span());
        self.windows += 1;
        if self.windows < LEARNING { 0.0 } else { new }
    }

    /// What the finished block is told by.
    fn level(&mut self) -> f64 {
        let mean = self.block.iter().sum::<f64>() / self.block.len() as f64;
        let least = self.block.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.block.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (self.low, self.high) = (self.low.min(least), self.high.max(most));
        let lately = f64::midpoint(self.lately.unwrap_or(mean), mean);
        self.lately = Some(lately);
        let furthest = if most - lately < lately - least {
            least
        } else {
            most
        };
        self.levels.push(furthest);
        let width = self.span().width;
        let level = if (furthest - mean).abs() < STANDS_OUT * width {
            mean
        } else {
            furthest
        };
        let middle = self.levels.range().map_or(level, |range| range.middle);
        if (level - middle).abs() < USUAL * width {
            middle
        } else {
            level
        }
    }

    fn span(&self) -> Span {
        Span {
            low: self.low,
            width: (self.high - self.low).max(TINY),
        }
    }
}

/// The Haar wavelet transform of some numbers stretched to 0 to 1, stretched again.
fn form(values: [f64; WINDOW]) -> [f64; WINDOW] {
    let mut means = stretched(values).to_vec();
    let mut details = Vec::with_capacity(WINDOW);
    while means.len() > 1 {
        let pairs = means.chunks_exact(2);
        let both = pairs.filter_map(|pair| Some((*pair.first()?, *pair.last()?)));
        let (sums, differences): (Vec<f64>, Vec<f64>) = both
            .map(|(a, b)| {
                (
                    (a + b) * std::f64::consts::FRAC_1_SQRT_2,
                    (a - b) * std::f64::consts::FRAC_1_SQRT_2,
                )
            })
            .unzip();
        details.extend(differences);
        means = sums;
    }
    let mut all = [0.0; WINDOW];
    for (to, from) in all.iter_mut().zip(means.into_iter().chain(details)) {
        *to = from;
    }
    stretched(all)
}

/// The lowest is 0 and the highest 1; all 0 where all are the same.
fn stretched(values: [f64; WINDOW]) -> [f64; WINDOW] {
    let low = values.into_iter().fold(f64::INFINITY, f64::min);
    let width = values.into_iter().fold(f64::NEG_INFINITY, f64::max) - low;
    values.map(|value| {
        if width > 0.0 {
            (value - low) / width
        } else {
            0.0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_window_has_no_form_and_a_scaled_one_the_same() {
        assert_eq!(form([3.0; WINDOW]), [0.0; WINDOW]);
        let rising: [f64; WINDOW] = std::array::from_fn(|i| i as f64);
        let scaled = form(rising.map(|value| value * 16.0 + 4.0));
        for (a, b) in form(rising).iter().zip(scaled) {
            assert!((a - b).abs() < 1e-9);
        }
    }

    #[test]
    fn a_rhythm_that_stops_is_new() {
        let rhythm = |i: usize| if i % 6 < 3 { 1.0 } else { 0.0 };
        let mut shape = Shape::new(1);
        let calm: Vec<f64> = (0..600).map(|i| shape.next(rhythm(i))).collect();
        assert!(calm.iter().skip(100).all(|new| *new < 0.2));
        let stopped: Vec<f64> = (0..8).map(|_| shape.next(0.0)).collect();
        assert!(stopped.iter().any(|new| *new > 0.4), "{stopped:?}");
    }
}
