//! What a run is played under: load from outside, what breaks when, and what is wrong with the metrics.

use ostler_core::sim::Dice;

use crate::{
    chance::{normal, poisson, uniform},
    shop::{STEP_S, Shop},
};

/// Load and trouble, the same for every autoscaler.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name, for tables and files.
    pub name: String,
    /// What it is, in a sentence.
    pub about: String,
    /// Requests per second from outside, step by step.
    pub rates: Vec<f64>,
    /// So many steps at the start are run but not counted: everyone has a past.
    pub unmeasured: usize,
    /// So many runs with different seeds are added up: a short trace alone sees hardly a failure.
    pub runs: u64,
    /// Who serves.
    pub shop: Shop,
    /// What breaks on purpose.
    pub breaks: Vec<Break>,
    /// What the metrics are like.
    pub metrics: Metrics,
}

/// Instances that die together.
#[derive(Debug, Clone, Copy)]
pub struct Break {
    /// When, in seconds of the run.
    pub at_s: u64,
    /// Place of the service.
    pub service: usize,
    /// Share of its instances.
    pub share: f64,
}

/// How true the metrics are.
#[derive(Debug, Clone, Copy)]
pub struct Metrics {
    /// Relative noise, one standard deviation.
    pub noise: f64,
    /// Of a thousand scrapes, so many are lost.
    pub lost_per_mille: u64,
    /// Mean seconds between outages of the metrics; each takes up to three minutes.
    pub between_gaps_s: f64,
    /// What is wrong with them.
    pub wrong: Option<Wrong>,
}

/// Metrics that lie, from a moment on, in seconds of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wrong {
    /// From when.
    pub from_s: u64,
    /// Until when.
    pub until_s: u64,
    /// How.
    pub how: Lie,
}

/// One way in which metrics are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Not a number.
    NotANumber,
    /// Below zero.
    Negative,
    /// Counters fell to zero: rates are zero though people are served.
    CounterReset,
    /// A thousand million, one scrape in ten.
    Spike,
    /// Stamped an hour ahead.
    AheadOfTime,
    /// Stamped an hour ago.
    BehindTime,
    /// Nothing comes.
    CutOff,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            noise: 0.02,
            lost_per_mille: 10,
            between_gaps_s: 8.0 * 3_600.0,
            wrong: None,
        }
    }
}

/// CPUs that every scenario's mean load keeps busy: some tens of instances.
const MEAN_CORES: f64 = 24.0;

impl Scenario {
    /// With the default shop, metrics and nothing that breaks on purpose. Load is scaled so that its mean,
    /// where it is measured, keeps 24 CPUs busy.
    #[must_use]
    pub fn new(name: &str, about: &str, rates: Vec<f64>, unmeasured: usize) -> Self {
        let shop = Shop::default();
        let measured = rates.get(unmeasured..).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "steps of some days")]
        let mean = measured.iter().sum::<f64>() / measured.len().max(1) as f64;
        let scale = MEAN_CORES / shop.work_s() / mean.max(1e-9);
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            rates: rates.iter().map(|rate| rate * scale).collect(),
            unmeasured,
            runs: 1,
            shop,
            breaks: Vec::new(),
            metrics: Metrics::default(),
        }
    }

    /// The same with nothing that breaks or is lost by chance.
    #[must_use]
    pub fn calm(mut self) -> Self {
        self.shop.between_failures_s = f64::INFINITY;
        self.metrics.lost_per_mille = 0;
        self.metrics.between_gaps_s = f64::INFINITY;
        self
    }

    /// Minutes that are measured, all runs together.
    #[must_use]
    pub fn minutes(&self) -> u32 {
        let steps = self.rates.len().saturating_sub(self.unmeasured);
        let each = u32::try_from(steps / 12).unwrap_or(u32::MAX);
        each.saturating_mul(u32::try_from(self.runs.max(1)).unwrap_or(u32::MAX))
    }

    /// Requests that come in each step: Poisson around the rate, the same for the same seed.
    #[must_use]
    pub fn arrivals(&self, seed: u64) -> Vec<f64> {
        let mut dice = Dice::new(seed ^ 0xa221);
        #[expect(clippy::cast_precision_loss, reason = "a handful of seconds")]
        let step_s = STEP_S as f64;
        let draw = |rate: &f64| poisson(&mut dice, rate.max(0.0) * step_s);
        self.rates.iter().map(draw).collect()
    }

    /// Which service loses an instance when, in order: chance and what is broken on purpose. The third
    /// says which instance, from 0 up to 1; shares lose one after the other.
    #[must_use]
    pub fn failures(&self, seed: u64) -> Vec<Break> {
        let end_s = u64::try_from(self.rates.len())
            .unwrap_or(u64::MAX)
            .saturating_mul(STEP_S);
        let mut all = self.breaks.clone();
        for service in 0..self.shop.programs.len() {
            let mut dice = Dice::new(seed ^ 0xdead ^ (u64::try_from(service).unwrap_or(0) << 40));
            let mut at = next_after(&mut dice, 0.0, self.shop.between_failures_s);
            while at < end_s {
                all.push(Break {
                    at_s: at,
                    service,
                    share: 0.0,
                });
                at = next_after(&mut dice, float(at), self.shop.between_failures_s);
            }
        }
        all.sort_by_key(|one| (one.at_s, one.service));
        all
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
const fn float(seconds: u64) -> f64 {
    seconds as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole seconds of a run"
)]
fn next_after(dice: &mut Dice, now: f64, mean: f64) -> u64 {
    (now - mean * (1.0 - uniform(dice)).ln()).min(1e12).ceil() as u64
}

/// Outages of the metrics: from and until, in seconds.
#[must_use]
pub fn outages(metrics: &Metrics, end_s: u64, seed: u64) -> Vec<(u64, u64)> {
    let mut dice = Dice::new(seed ^ 0x9a95);
    let mut all = Vec::new();
    let mut at = next_after(&mut dice, 0.0, metrics.between_gaps_s);
    while at < end_s {
        let until = at + dice.between(30, 180);
        all.push((at, until));
        at = next_after(&mut dice, float(until), metrics.between_gaps_s);
    }
    all
}

/// A factor around one.
pub fn shaken(dice: &mut Dice, noise: f64) -> f64 {
    (1.0 + noise * normal(dice)).max(0.0)
}
