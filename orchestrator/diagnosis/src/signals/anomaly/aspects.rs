//! Aspects of a series: the value, its step, its mean over the last 12 and the last 72 points, its
//! scatter, its size, and how far it lies from the same hours of earlier days.
//!
//! Each remembers how far it ever went off its middle, with slow forgetting: a point is strange as
//! far as it breaks the record of one aspect, stranger where it breaks several. A spike that comes
//! every day breaks no record.

use super::Reach;
use super::record::Record;
use super::season::Season;
use super::window::{Recent, Window};

/// So many points come before anything is compared at all.
const FIRST: u64 = 10;
/// Points in the shorter and the longer mean.
const SHORT: usize = 12;
const LONG: usize = 72;
/// What the agreement of aspects counts beside the strangest one.
const AGREEMENT: f64 = 0.12;
/// Widths below these shares of a series' own are not believed, by aspect.
const NARROW: f64 = 0.3;
const NARROW_MEAN: f64 = 0.1;
const NARROW_SCATTER: f64 = 0.05;
/// A series is taken to swing by at least this share of its middle.
const STILL: f64 = 0.01;
/// Below this nothing is told apart from nothing.
const TINY: f64 = 1e-9;
/// Sizes below this share of the usual one are all nothing.
const SIZE_FLOOR: f64 = 0.05;
/// The logarithm of sizes swings by at least this.
const SIZE_STILL: f64 = 0.02;

/// The aspects.
#[derive(Debug, Clone)]
pub(crate) struct Aspects {
    seen: u64,
    last: Option<f64>,
    values: Window,
    steps: Window,
    short: Recent,
    long: Recent,
    sizes: Recent,
    season: Season,
    records: Vec<Record>,
}

impl Aspects {
    pub(crate) fn new() -> Self {
        Self {
            seen: 0,
            last: None,
            values: Window::new(),
            steps: Window::new(),
            short: Recent::new(SHORT),
            long: Recent::new(LONG),
            sizes: Recent::new(SHORT),
            season: Season::new(),
            records: Vec::new(),
        }
    }

    /// How clearly a point breaks records, from 0 to 1; then it is learnt.
    pub(crate) fn next(&mut self, at: f64, value: f64) -> f64 {
        let reaches = if self.seen < FIRST {
            Vec::new()
        } else {
            self.reaches(at, value)
        };
        let strange = self.strange(&reaches);
        self.learn(at, value);
        strange
    }

    /// Each aspect's reach, always in the same order; nothing for one that is not known yet.
    fn reaches(&mut self, at: f64, value: f64) -> Vec<Option<Reach>> {
        let Some(range) = self.values.range() else {
            return Vec::new();
        };
        let swing = range.width().max(TINY).max(range.middle.abs() * STILL);
        let mut all = vec![
            Some(range.above(value, NARROW * swing)),
            Some(range.below(value, NARROW * swing)),
            self.step(value, NARROW * swing),
        ];
        for recent in [&mut self.short, &mut self.long] {
            let moved = recent.mean_moves(NARROW * NARROW_MEAN * swing);
            all.extend([moved.map(|(up, _)| up), moved.map(|(_, down)| down)]);
        }
        all.push(self.long.scatter_moves(NARROW * NARROW_SCATTER * swing));
        all.push(self.sizes.mean_moves(NARROW * SIZE_STILL).map(|(up, _)| up));
        all.push(self.season.reach(at, value, NARROW_MEAN * swing));
        let size = value.abs() / range.middle.abs().max(NARROW_MEAN * swing);
        self.sizes.push((size + SIZE_FLOOR).ln());
        all
    }

    fn step(&self, value: f64, narrow: f64) -> Option<Reach> {
        let range = self.steps.range()?;
        let distance = value - self.last? - range.middle;
        Some(Reach {
            distance,
            least: range.width().max(narrow),
        })
    }

    fn strange(&mut self, reaches: &[Option<Reach>]) -> f64 {
        if self.records.len() < reaches.len() {
            self.records.resize_with(reaches.len(), Record::default);
        }
        let broken = self
            .records
            .iter_mut()
            .zip(reaches)
            .map(|(record, reach)| record.broken(*reach));
        let (most, doubt) = broken.fold((0.0_f64, 1.0), |(most, doubt), broken| {
            (most.max(broken), doubt * (1.0 - broken))
        });
        most * (1.0 - AGREEMENT) + (1.0 - doubt) * AGREEMENT
    }

    fn learn(&mut self, at: f64, value: f64) {
        self.values.push(value);
        if let Some(last) = self.last {
            self.steps.push(value - last);
        }
        self.short.push(value);
        self.long.push(value);
        self.season.push(at, value);
        self.last = Some(value);
        self.seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{season, window};
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut aspects = Aspects::new();
        for i in 0..20_000 {
            let _ = aspects.next(f64::from(i), f64::from(i % 97));
        }
        assert!(aspects.values.len() <= window::LENGTH && aspects.season.len() <= season::MOST);
    }
}
