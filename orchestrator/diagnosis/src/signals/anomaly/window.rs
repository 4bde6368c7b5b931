//! The latest points of a series in order of time and of size.

use std::collections::VecDeque;

use super::super::stats::quantile;
use super::Reach;

/// Points that are remembered.
pub(crate) const LENGTH: usize = 1_500;
/// The share of points on either side that a range leaves out.
const TAIL: f64 = 0.01;

/// The latest points.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    in_time: VecDeque<f64>,
    in_size: Vec<f64>,
}

/// Where a window's points lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub middle: f64,
    low: f64,
    high: f64,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, value: f64) {
        if self.in_time.len() == LENGTH
            && let Some(oldest) = self.in_time.pop_front()
        {
            let place = self.in_size.partition_point(|held| *held < oldest);
            self.in_size.remove(place);
        }
        let place = self.in_size.partition_point(|held| *held < value);
        self.in_size.insert(place, value);
        self.in_time.push_back(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.in_time.len()
    }

    pub(crate) fn range(&self) -> Option<Range> {
        let at = |share| quantile(&self.in_size, share);
        Some(Range {
            middle: at(0.5)?,
            low: at(TAIL)?,
            high: at(1.0 - TAIL)?,
        })
    }
}

impl Range {
    /// Half the distance between its ends.
    pub(crate) fn width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// How far a value lies above the middle; `narrow` is the least that is worth a record.
    pub(crate) fn above(&self, value: f64, narrow: f64) -> Reach {
        Reach {
            distance: value - self.middle,
            least: (self.high - self.middle).max(narrow),
        }
    }

    /// The same for below.
    pub(crate) fn below(&self, value: f64, narrow: f64) -> Reach {
        Reach {
            distance: self.middle - value,
            least: (self.middle - self.low).max(narrow),
        }
    }
}

/// Mean and scatter of the last few points, beside what they used to be.
#[derive(Debug, Clone)]
pub(crate) struct Recent {
    count: usize,
    points: VecDeque<f64>,
    means: Window,
    scatters: Window,
}

impl Recent {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            count,
            points: VecDeque::new(),
            means: Window::new(),
            scatters: Window::new(),
        }
    }

    pub(crate) fn push(&mut self, value: f64) {
        self.points.push_back(value);
        if self.points.len() > self.count {
            self.points.pop_front();
        }
    }

    /// How far the mean went up and down; nothing as long as too little is known.
    pub(crate) fn mean_moves(&mut self, narrow: f64) -> Option<(Reach, Reach)> {
        let mean = self.full().then(|| self.mean())?;
        let known = self.means.len() > self.count.min(12);
        let range = self.means.range();
        self.means.push(mean);
        let range = range.filter(|_| known)?;
        let narrow = narrow.max(0.3 * range.width());
        Some((range.above(mean, narrow), range.below(mean, narrow)))
    }

    /// How far the scatter went up; nothing as long as too little is known.
    pub(crate) fn scatter_moves(&mut self, narrow: f64) -> Option<Reach> {
        let scatter = self.full().then(|| self.scatter())?;
        let known = self.scatters.len() > self.count.min(12);
        let range = self.scatters.range();
        self.scatters.push(scatter);
        let range = range.filter(|_| known)?;
        Some(range.above(scatter, narrow.max(0.3 * range.width())))
    }

    fn full(&self) -> bool {
        self.points.len() == self.count
    }

    fn mean(&self) -> f64 {
        self.points.iter().sum::<f64>() / self.count as f64
    }

    fn scatter(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.points.iter().map(|point| (point - mean).powi(2)).sum();
        (squares / self.count as f64).sqrt()
    }
}
