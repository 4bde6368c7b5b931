//! Where a series leads: a least-squares line through its points.

/// A line through points of when and how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// The mean of both.
    mean: (f64, f64),
    /// How much more for each unit of when.
    pub slope: f64,
}

impl Line {
    /// Through three points at least; flat where all are of the same moment.
    #[must_use]
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = u32::try_from(points.len())
            .ok()
            .filter(|count| *count >= 3)?;
        let mean =
            |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / f64::from(count);
        let (when, what) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(at, _)| (at - when).powi(2)).sum();
        let rise = points.iter().map(|(at, much)| (at - when) * (much - what));
        Some(Self {
            mean: (when, what),
            slope: rise.sum::<f64>() / spread.max(1e-9),
        })
    }

    /// How much the line says at a moment.
    #[must_use]
    pub fn at(&self, when: f64) -> f64 {
        self.mean.1 + self.slope * (when - self.mean.0)
    }
}
