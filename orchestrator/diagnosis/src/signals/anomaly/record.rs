//! How far one aspect of a series ever went.

use super::Reach;

/// Points after which half of a record is forgotten.
const HALF_LIFE: f64 = 12_000.0;
/// A new record counts this much against the old one: one wild point does not blunt the aspect for good.
const TAKES: f64 = 0.5;
/// Records among few points are cheap: after so many, breaking one counts half.
const MATURE: f64 = 60.0;

/// The record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    best: f64,
    seen: f64,
}

impl Record {
    /// How clearly `reach` breaks it, from 0 to 1: a half where it just does. Then it is the new one.
    pub(crate) fn broken(&mut self, reach: Option<Reach>) -> f64 {
        self.best *= 0.5_f64.powf(1.0 / HALF_LIFE);
        let Some(Reach { distance, least }) = reach else {
            return 0.0;
        };
        self.seen += 1.0;
        let distance = distance.max(0.0);
        let bar = self.best.max(least);
        if distance > self.best {
            self.best += (distance - self.best) * TAKES;
        }
        if distance + bar > 0.0 {
            distance / (distance + bar) * self.seen / (self.seen + MATURE)
        } else {
            0.0
        }
    }
}
