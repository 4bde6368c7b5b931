//! Metrics on their way from the shop to whoever scales it: averaged, noisy, late, sometimes absent or wrong.

use std::collections::VecDeque;

use ostler_core::sim::Dice;

use crate::{
    queueing::Moments,
    scenario::{Lie, Metrics, outages, shaken},
    service::{Service, Stepped},
    shop::STEP_S,
};

/// What was seen of one service over one scrape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Its stamp, in seconds of the run.
    pub at_s: u64,
    /// Requests that came, per second, all instances.
    pub rate: f64,
    /// Requests that were answered, per second.
    pub served: f64,
    /// CPUs in use, all instances.
    pub used: f64,
    /// Mean time of a request with all that it calls, in seconds.
    pub mean_s: f64,
    /// Time that 99 of 100 requests stay below, in seconds.
    pub p99_s: f64,
    /// Requests that wait, all instances.
    pub queue: f64,
    /// Share of requests that failed.
    pub errors: f64,
    /// Instances that reported.
    pub reporting: u32,
    /// CPUs that each of them had.
    pub cores: f64,
}

/// What is averaged over one scrape.
#[derive(Debug, Clone, Default)]
struct Sums {
    steps: f64,
    arrived: f64,
    served: f64,
    failed: f64,
    used: f64,
    times: Vec<(f64, Moments)>,
}

/// The way of all services' metrics.
#[derive(Debug, Clone)]
pub struct Scraper {
    metrics: Metrics,
    delay_s: u64,
    dice: Dice,
    outages: Vec<(u64, u64)>,
    sums: Vec<Sums>,
    /// On their way: when they arrive, and what was seen of each service.
    coming: VecDeque<(u64, Vec<Option<Sample>>)>,
}

impl Scraper {
    /// For so many services, over a run that ends at `end_s`.
    #[must_use]
    pub fn new(metrics: Metrics, delay_s: u64, services: usize, end_s: u64, seed: u64) -> Self {
        Self {
            outages: outages(&metrics, end_s, seed),
            metrics,
            delay_s,
            dice: Dice::new(seed ^ 0x5c4a),
            sums: vec![Sums::default(); services],
            coming: VecDeque::new(),
        }
    }

    /// Takes in one step.
    pub fn add(&mut self, steps: &[(Stepped, Moments)]) {
        for (sums, (step, whole)) in self.sums.iter_mut().zip(steps) {
            sums.steps += 1.0;
            sums.arrived += step.arrived;
            sums.served += step.served;
            sums.failed += step.failed;
            sums.used += step.used;
            sums.times.push((step.served, *whole));
        }
    }

    /// Ends a scrape at `now_s`, and gives what can be read by now: of each service the newest sample
    /// that came since the last time.
    pub fn read(&mut self, now_s: u64, services: &[Service]) -> Vec<Option<Sample>> {
        let out = self
            .outages
            .iter()
            .any(|(from, until)| (*from..*until).contains(&now_s));
        let mut samples = Vec::with_capacity(self.sums.len());
        for (sums, service) in std::mem::take(&mut self.sums).iter().zip(services) {
            let noise: [f64; 4] =
                std::array::from_fn(|_| shaken(&mut self.dice, self.metrics.noise));
            let lost = self.dice.chance(self.metrics.lost_per_mille);
            let sample = sample(sums, service, now_s, noise);
            let told = self.spoilt(sample, now_s);
            samples.push(told.filter(|_| !lost && !out));
        }
        self.sums = vec![Sums::default(); samples.len()];
        let mut newest = vec![None; samples.len()];
        self.coming.push_back((now_s + self.delay_s, samples));
        while self.coming.front().is_some_and(|(at, _)| *at <= now_s) {
            let arrived = self
                .coming
                .pop_front()
                .map(|(_, samples)| samples)
                .unwrap_or_default();
            for (slot, sample) in newest.iter_mut().zip(arrived) {
                *slot = sample.or(*slot);
            }
        }
        newest
    }

    fn spoilt(&mut self, mut sample: Sample, now_s: u64) -> Option<Sample> {
        let wrong = self
            .metrics
            .wrong
            .filter(|wrong| (wrong.from_s..wrong.until_s).contains(&now_s));
        let Some(wrong) = wrong else {
            return Some(sample);
        };
        let mut all = |value: f64| {
            for field in [
                &mut sample.rate,
                &mut sample.served,
                &mut sample.used,
                &mut sample.mean_s,
                &mut sample.p99_s,
                &mut sample.queue,
            ] {
                *field = value;
            }
        };
        match wrong.how {
            Lie::NotANumber => all(f64::NAN),
            Lie::Negative => all(-1.0),
            Lie::CounterReset => (sample.rate, sample.served, sample.used) = (0.0, 0.0, 0.0),
            Lie::Spike if self.dice.chance(100) => all(1e9),
            Lie::Spike => {}
            Lie::AheadOfTime => sample.at_s += 3_600,
            Lie::BehindTime => sample.at_s = sample.at_s.saturating_sub(3_600),
            Lie::CutOff => return None,
        }
        Some(sample)
    }
}

fn sample(sums: &Sums, service: &Service, now_s: u64, noise: [f64; 4]) -> Sample {
    #[expect(clippy::cast_precision_loss, reason = "a handful of seconds")]
    let span_s = (sums.steps * STEP_S as f64).max(1e-9);
    let times = Moments::mix(&sums.times);
    let [rate, used, mean, p99] = noise;
    Sample {
        at_s: now_s,
        // Counters are exact: what came and what was answered is blurred by the same moment of reading.
        rate: sums.arrived / span_s * rate,
        served: sums.served / span_s * rate,
        used: sums.used / sums.steps.max(1.0) * used,
        mean_s: times.mean * mean,
        p99_s: times.p99() * p99,
        queue: service.queue,
        errors: if sums.arrived > 0.0 {
            (sums.failed / sums.arrived).min(1.0)
        } else {
            0.0
        },
        reporting: service.ready(now_s),
        cores: service.cores,
    }
}
