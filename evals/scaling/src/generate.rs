//! Load that is made up, with a seed: a flash crowd, noisy days, a retry storm, a slow leak.

use ostler_core::sim::Dice;

use crate::{
    chance::{normal, uniform},
    scenario::{Break, Scenario},
    shop::STEP_S,
};

const HOUR: f64 = 3_600.0;

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds and steps of some days"
)]
fn rates(hours: f64, seed: u64, wobble: f64, rate: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut dice = Dice::new(seed);
    let steps = (hours * HOUR) as usize / STEP_S as usize;
    let mut drift = 0.0;
    (0..steps)
        .map(|step| {
            // An autoregressive wobble with a memory of about two minutes.
            drift = 0.96 * drift + wobble * (1.0_f64 - 0.96 * 0.96).sqrt() * normal(&mut dice);
            rate(step as f64 * STEP_S as f64) * f64::exp(drift)
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "steps of some days"
)]
fn steps(hours: f64) -> usize {
    (hours * HOUR) as usize / usize::try_from(STEP_S).unwrap_or(1)
}

/// Grows by `factor` over `rise_s`, stays for `stay_s`, and dies away with `fall_s`; 1 before.
fn crowd(since: f64, factor: f64, rise_s: f64, stay_s: f64, fall_s: f64) -> f64 {
    if since < 0.0 {
        1.0
    } else if since < rise_s {
        factor.powf(since / rise_s)
    } else if since < rise_s + stay_s {
        factor
    } else {
        1.0 + (factor - 1.0) * (-(since - rise_s - stay_s) / fall_s).exp()
    }
}

/// Two crowds that nobody saw coming: sixfold within three minutes, fourfold within two.
#[must_use]
pub fn flash_crowd(seed: u64) -> Scenario {
    let load = |at: f64| {
        let first = crowd(at - 1.5 * HOUR, 6.0, 180.0, 1_200.0, 900.0);
        let second = crowd(at - 4.0 * HOUR, 4.0, 120.0, 600.0, 900.0);
        110.0 * first.max(second)
    };
    let about =
        "two crowds nobody saw coming: sixfold within three minutes, fourfold within two; 6 h";
    Scenario::new(
        "flash crowd",
        about,
        rates(6.0, seed, 0.04, load),
        steps(0.5),
    )
}

/// Days with a deep night, a lunch-time dip and an evening peak; the first is not measured.
#[must_use]
pub fn diurnal(seed: u64) -> Scenario {
    let load = |at: f64| {
        let day = at / (24.0 * HOUR) * std::f64::consts::TAU;
        let shape = 1.0 - 0.75 * (day - 0.4).cos()
            + 0.25 * (2.0 * day + 0.6).sin()
            + 0.1 * (3.0 * day).cos();
        160.0 * shape.max(0.12)
    };
    let about =
        "noisy days with a deep night and two peaks; three days measured after one of warm-up";
    Scenario::new(
        "noisy days",
        about,
        rates(96.0, seed, 0.08, load),
        steps(24.0),
    )
}

/// Callers and people that try again and again, and all stores gone at once, twice.
#[must_use]
pub fn retry_storm(seed: u64) -> Scenario {
    let load = |at: f64| 240.0 + 40.0 * (at / (2.0 * HOUR) * std::f64::consts::TAU).sin();
    let about = "all stores die at once, twice, while callers retry three times and 95 % of people come again; 6 h";
    let mut all = Scenario::new(
        "retry storm",
        about,
        rates(6.0, seed, 0.05, load),
        steps(0.5),
    );
    all.shop.come_back = 0.95;
    all.shop
        .programs
        .iter_mut()
        .for_each(|program| program.retries = 3);
    let at = |hours: f64, service, share| Break {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds of six hours"
        )]
        at_s: (hours * HOUR) as u64,
        service,
        share,
    };
    all.breaks = vec![at(2.0, 2, 1.0), at(4.5, 2, 1.0)];
    all
}

/// A cart that gets slower with age and is killed for want of memory after some hours.
#[must_use]
pub fn slow_leak(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed);
    let phase = uniform(&mut dice);
    let load =
        |at: f64| 220.0 + 90.0 * ((at / (12.0 * HOUR) + phase) * std::f64::consts::TAU).sin();
    let about = "the cart loses 10 % of its speed an hour and is killed after nine; 24 h";
    let mut all = Scenario::new(
        "slow leak",
        about,
        rates(24.0, seed, 0.05, load),
        steps(1.0),
    );
    if let Some(cart) = all.shop.programs.get_mut(1) {
        (cart.leak_per_hour, cart.leak_kills_h) = (0.1, 9.0);
    }
    all
}

/// All of them.
#[must_use]
pub fn all(seed: u64) -> Vec<Scenario> {
    vec![
        flash_crowd(seed),
        diurnal(seed),
        retry_storm(seed),
        slow_leak(seed),
    ]
}
