//! How far a point lies from all points of the same hours of the last days.

use std::collections::VecDeque;

use super::Reach;
use super::window::Window;

const DAY_S: f64 = 86_400.0;
/// Days that are remembered.
const DAYS: u8 = 7;
/// At least so many of them must know the hour.
const KNOWN: usize = 2;
/// How far apart times of the day may lie.
const AROUND_S: f64 = 1_800.0;
/// Points that are remembered: a week of one every two and a half minutes. Of a faster series days
/// are not compared.
pub(crate) const MOST: usize = 4_096;

/// The last days.
#[derive(Debug, Clone, Default)]
pub(crate) struct Season {
    points: VecDeque<(f64, f64)>,
    distances: Window,
}

impl Season {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    pub(crate) fn push(&mut self, at: f64, value: f64) {
        let oldest = at - (f64::from(DAYS) + 0.1) * DAY_S;
        while self.points.front().is_some_and(|(held, _)| *held < oldest)
            || self.points.len() >= MOST
        {
            self.points.pop_front();
        }
        self.points.push_back((at, value));
    }

    /// The distance to the nearest of those points; nothing where too few days know the hour.
    pub(crate) fn reach(&mut self, at: f64, value: f64, narrow: f64) -> Option<Reach> {
        let days: Vec<f64> = (1..=DAYS)
            .filter_map(|ago| self.nearest(at - f64::from(ago) * DAY_S, value))
            .collect();
        if days.len() < KNOWN {
            return None;
        }
        let distance = days.into_iter().fold(f64::INFINITY, f64::min);
        let usual = self.distances.range();
        self.distances.push(distance);
        let least = usual.map_or(narrow, |range| range.above(distance, narrow).least);
        Some(Reach { distance, least })
    }

    fn nearest(&self, at: f64, value: f64) -> Option<f64> {
        let from = self
            .points
            .partition_point(|(held, _)| *held < at - AROUND_S);
        let around = self
            .points
            .range(from..)
            .take_while(|(held, _)| *held <= at + AROUND_S);
        around
            .map(|(_, held)| (value - held).abs())
            .min_by(f64::total_cmp)
    }
}
