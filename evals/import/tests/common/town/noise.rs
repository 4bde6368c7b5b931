//! What makes real series ugly though nothing is wrong.

use super::dice::Dice;

/// How one series is measured: by whom, how well, and with what beside it.
pub struct Instrument {
    /// Of the value, per point.
    noise: f64,
    /// How much of a point's error the next one keeps.
    keeps: f64,
    error: f64,
    /// How often a point is wild, and how wild.
    wild: f64,
    /// What computes every so often: a part of the value, each so many seconds, for so many.
    cron: Option<(f64, f64, f64)>,
    /// The value is looked at only every so many points.
    held: usize,
    shown: f64,
    missing: f64,
    hole: std::ops::Range<usize>,
}

impl Instrument {
    pub fn draw(dice: &mut Dice, steps: usize, noise: f64) -> Self {
        let cron = dice.happens(0.08).then(|| {
            let every = dice.one(&[60.0, 300.0, 600.0, 900.0]);
            (
                dice.between(0.1, 0.8),
                every,
                dice.between(2.0, every / 6.0),
            )
        });
        let hole = if dice.happens(0.05) {
            let (from, long) = (dice.below(steps), dice.count(2, 12));
            from..from + long
        } else if dice.happens(0.02) {
            // Appears late.
            0..dice.count(steps / 10, steps / 2)
        } else {
            0..0
        };
        Self {
            noise: noise * dice.scaled(0.5, 2.0),
            keeps: if dice.happens(0.5) {
                dice.between(0.3, 0.9)
            } else {
                0.0
            },
            error: 0.0,
            wild: if dice.happens(0.3) {
                dice.scaled(0.001, 0.02)
            } else {
                0.0
            },
            cron,
            held: if dice.happens(0.1) {
                dice.count(2, 4)
            } else {
                1
            },
            shown: 0.0,
            missing: if dice.happens(0.3) {
                dice.scaled(0.001, 0.05)
            } else {
                0.0
            },
            hole,
        }
    }

    /// What is written down of a value; nothing where nothing is.
    pub fn read(&mut self, dice: &mut Dice, step: usize, at_s: f64, value: f64) -> Option<f64> {
        let fresh = (1.0 - self.keeps * self.keeps).sqrt() * dice.normal();
        self.error = self.keeps * self.error + fresh;
        let mut seen = value * (self.noise * self.error).exp();
        if let Some((part, every, long)) = self.cron
            && at_s.rem_euclid(every) < long
        {
            seen += value * part;
        }
        if dice.happens(self.wild) {
            // A tail as of Pareto's law.
            seen *= 1.0 + 0.5 * (1.0 - dice.share()).powf(-0.7).min(20.0);
        }
        if step.is_multiple_of(self.held) {
            self.shown = seen;
        }
        let lost = self.hole.contains(&step) || dice.happens(self.missing);
        (!lost).then_some(self.shown)
    }
}

/// Memory that a runtime lets grow and collects at once.
pub struct Garbage {
    bytes: f64,
    every_s: f64,
    phase: f64,
}

impl Garbage {
    pub fn draw(dice: &mut Dice, memory_bytes: f64) -> Self {
        let collects = dice.happens(0.4);
        Self {
            bytes: if collects {
                memory_bytes * dice.between(0.03, 0.3)
            } else {
                0.0
            },
            every_s: dice.scaled(15.0, 900.0),
            phase: dice.share(),
        }
    }

    pub fn bytes(&self, at_s: f64) -> f64 {
        self.bytes * (at_s / self.every_s + self.phase).fract()
    }
}
