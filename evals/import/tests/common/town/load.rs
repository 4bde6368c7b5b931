//! How much is asked from outside: the hour of the day, a trend, bursts, and what people do by chance.

use super::dice::Dice;

const DAY_S: f64 = 86_400.0;

/// A rise or fall of what is asked, from a moment on.
#[derive(Debug, Clone, Copy)]
pub struct Shift {
    pub at_s: f64,
    /// So long until it is whole.
    pub takes_s: f64,
    pub times: f64,
}

/// What is asked at every step, as a share of what is usual.
pub fn shares(dice: &mut Dice, steps: usize, step_s: f64, shift: Option<Shift>) -> Vec<f64> {
    // A generator of requests in a test-bed is steady; people are not.
    let people = dice.happens(0.6);
    let swing = if people { dice.between(0.1, 0.35) } else { 0.0 };
    let phase = dice.share() * DAY_S;
    let trend = if people { dice.between(-0.1, 0.2) } else { 0.0 };
    let chance = if people {
        dice.between(0.02, 0.12)
    } else {
        0.02
    };
    let keeps = (-step_s / dice.scaled(10.0, 300.0)).exp();
    let bursts = bursts(dice, steps, step_s, people);
    let mut wandering = 0.0;
    (0..steps)
        .map(|step| {
            let at = step as f64 * step_s;
            wandering = keeps * wandering + (1.0_f64 - keeps * keeps).sqrt() * dice.normal();
            let day = 1.0 + swing * ((at + phase) / DAY_S * std::f64::consts::TAU).sin();
            let grown = 1.0 + trend * step as f64 / steps as f64;
            day * grown * (chance * wandering).exp() * bursts[step] * shifted(at, shift)
        })
        .collect()
}

fn shifted(at: f64, shift: Option<Shift>) -> f64 {
    shift.map_or(1.0, |shift| {
        let part = ((at - shift.at_s) / shift.takes_s.max(1e-9)).clamp(0.0, 1.0);
        1.0 + (shift.times - 1.0) * part
    })
}

fn bursts(dice: &mut Dice, steps: usize, step_s: f64, people: bool) -> Vec<f64> {
    let mut all = vec![1.0_f64; steps];
    let many = if people { dice.below(5) } else { 0 };
    for _ in 0..many {
        let (from, times) = (dice.below(steps), dice.between(1.1, 1.4));
        let long = (dice.scaled(20.0, 300.0) / step_s).ceil() as usize;
        for share in all.iter_mut().skip(from).take(long) {
            *share = share.max(times);
        }
    }
    all
}
