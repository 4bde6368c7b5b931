//! What a service's instances can bear, learnt while they run.
//!
//! CPU per request by the utilisation law, `U = X·D` (Lazowska et al., *Quantitative System Performance*, 1984):
//! the median over ten minutes of CPU in use over requests answered. How latency rises with
//! utilisation follows Sakasegawa's approximation of a queue with several servers (Ann. Inst. Stat. Math.
//! 29, 1977), which takes fractional servers; how strongly, is fitted along the whole path of a request,
//! from what its users see. Medians throughout: a cold instance or a lie now and then moves nothing.

use std::collections::VecDeque;

use ostler_core::time::{Span, Time};

use crate::{
    reading::Readings,
    robust::{median, quantile},
};

/// Over this stretch CPU per request is learnt: a leak that slows things by the hour is followed.
const WORK_SPAN: Span = Span::minutes(10);
/// Fewer readings than this teach nothing.
const FEWEST: usize = 4;
/// With more of its CPU in use than this, a service answers less than comes and teaches nothing of CPU.
const SATURATED: f64 = 0.97;
/// Waiting varies so much before anything is learnt: somewhat more than exponential.
const VARIABILITY: f64 = 1.5;
/// The prior counts as so many readings.
const PRIOR: usize = 8;

/// CPU seconds that one request needs; nothing before enough was seen.
#[must_use]
pub fn work_s(readings: &Readings, now: Time) -> Option<f64> {
    let steady = readings.recent(now, WORK_SPAN).filter(|reading| {
        reading.served > 0.5 && reading.used > 0.0 && reading.utilisation() < SATURATED
    });
    let each: Vec<f64> = steady
        .map(|reading| reading.used / reading.served)
        .collect();
    if each.len() < FEWEST {
        None
    } else {
        median(each)
    }
}

/// One service on a request's path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Times that one request of the path's users comes by.
    pub visits: f64,
    /// CPU seconds of each time.
    pub work_s: f64,
    /// CPUs of one instance.
    pub cores: f64,
    /// Share of its CPU in use.
    pub utilisation: f64,
}

impl Part {
    fn servers(&self) -> f64 {
        self.cores.max(1.0)
    }

    fn service_s(&self) -> f64 {
        self.work_s / self.cores.clamp(0.05, 1.0)
    }

    /// Chance to wait, and how long those wait who do, for a variability of 1.
    fn wait(&self) -> (f64, f64) {
        let busy = self.utilisation.clamp(0.0, 0.99);
        let chance = busy.powf((2.0 * (self.servers() + 1.0)).sqrt() - 1.0);
        (chance, self.service_s() / (self.servers() * (1.0 - busy)))
    }
}

/// How a path's latency follows from how busy its parts are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Seconds that need no CPU.
    pub idle_s: f64,
    /// By how much waits are longer than those of exponential arrivals and work.
    pub variability: f64,
    /// 99th percentile as seen over that of the model.
    pub stretch: f64,
}

impl Default for Curve {
    fn default() -> Self {
        Self {
            idle_s: 0.0,
            variability: VARIABILITY,
            stretch: 1.0,
        }
    }
}

impl Curve {
    /// 99th percentile of the whole path, in seconds: means and variances of the parts add up, and the
    /// sum is taken as log-normal.
    #[must_use]
    pub fn p99_s(&self, parts: &[Part]) -> f64 {
        self.stretch * self.plain_p99_s(parts)
    }

    fn plain_p99_s(&self, parts: &[Part]) -> f64 {
        let (mut mean, mut variance) = (self.idle_s, 0.0);
        for part in parts {
            let (chance, wait) = part.wait();
            let wait = wait * self.variability;
            mean += part.visits * (part.service_s() + chance * wait);
            variance +=
                part.visits * (part.service_s().powi(2) + chance * (2.0 - chance) * wait * wait);
        }
        let spread = (variance / (mean * mean).max(1e-12)).ln_1p();
        (mean.max(1e-9).ln() - spread / 2.0 + 2.326_347_9 * spread.sqrt()).exp()
    }
}

/// What was seen of a whole path at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its parts, as busy as they were.
    pub parts: Vec<Part>,
    /// Mean time of its users' requests, in seconds.
    pub mean_s: f64,
    /// 99th percentile of it.
    pub p99_s: f64,
}

/// Learns a path's curve. Bounded: the newest 720 moments count.
#[derive(Debug, Clone, Default)]
pub struct PathFit {
    seen: VecDeque<Seen>,
    since: usize,
    curve: Curve,
}

/// Moments kept.
const KEPT: usize = 720;
/// The curve is fitted anew after so many, and after each of the first.
const FITTED_EVERY: usize = 12;

impl PathFit {
    /// Takes in one moment; what is overloaded teaches nothing of queues in balance.
    pub fn add(&mut self, seen: Seen) {
        let steady = seen.parts.iter().all(|part| part.utilisation < SATURATED);
        if steady && seen.mean_s > 0.0 && !seen.parts.is_empty() {
            self.seen.push_back(seen);
            if self.seen.len() > KEPT {
                self.seen.pop_front();
            }
            self.since += 1;
            if self.since >= FITTED_EVERY || self.seen.len() < FITTED_EVERY {
                self.since = 0;
                self.curve = self.fit();
            }
        }
    }

    /// The curve as far as it is known.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    fn fit(&self) -> Curve {
        let mut curve = Curve::default();
        if self.seen.len() < FEWEST {
            return curve;
        }
        let terms: Vec<(f64, f64)> = self.seen.iter().map(terms).collect();
        // What needs no CPU shows where hardly anybody waits.
        let rest = |variability: f64| {
            terms
                .iter()
                .map(move |(over, wait)| over - variability * wait)
        };
        curve.idle_s = quantile(rest(1.0).collect(), 0.25)
            .unwrap_or_default()
            .max(0.0);
        let mut slopes: Vec<f64> = terms
            .iter()
            .filter(|(_, wait)| *wait > 0.002)
            .map(|(over, wait)| ((over - curve.idle_s) / wait).clamp(0.3, 5.0))
            .collect();
        slopes.extend([VARIABILITY; PRIOR]);
        curve.variability = median(slopes).unwrap_or(VARIABILITY);
        let ratios = self.seen.iter().filter(|seen| seen.p99_s > 0.0);
        let ratios: Vec<f64> = ratios
            .map(|seen| seen.p99_s / curve.plain_p99_s(&seen.parts))
            .collect();
        curve.stretch = median(ratios).unwrap_or(1.0).clamp(0.5, 2.0);
        curve
    }
}

/// Mean time beyond what CPU takes, and the wait that a variability of 1 would make of it.
fn terms(seen: &Seen) -> (f64, f64) {
    let mut over = seen.mean_s;
    let mut waits = 0.0;
    for part in &seen.parts {
        let (chance, wait) = part.wait();
        over -= part.visits * part.service_s();
        waits += part.visits * chance * wait;
    }
    (over, waits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Reading;

    fn part(utilisation: f64) -> Part {
        Part {
            visits: 1.0,
            work_s: 0.01,
            cores: 2.0,
            utilisation,
        }
    }

    #[test]
    fn cpu_of_a_request_is_learnt_and_wild_readings_do_not_move_it() {
        let mut readings = Readings::default();
        for step in 1..=40_u64 {
            let wild = if step % 7 == 0 { 3.0 } else { 1.0 };
            let reading = Reading {
                at: Time(step * 15_000),
                rate: 100.0,
                served: 100.0,
                used: 1.2 * wild,
                mean_s: 0.02,
                p99_s: 0.1,
                waiting: 0.0,
                reporting: 4,
                expected: 4,
                cores: 1.0,
            };
            readings.add(reading, Time(step * 15_000)).unwrap();
        }
        let work = work_s(&readings, Time(600_000)).unwrap();
        assert!((work - 0.012).abs() < 1e-6, "{work}");
        assert_eq!(work_s(&Readings::default(), Time(0)), None);
    }

    #[test]
    fn a_curve_is_learnt_from_what_it_made() {
        let truth = Curve {
            idle_s: 0.02,
            variability: 2.0,
            stretch: 1.0,
        };
        let mut fit = PathFit::default();
        for step in 0..200_u32 {
            let parts = vec![part(0.4 + f64::from(step % 10) * 0.05)];
            let (chance, wait) = parts[0].wait();
            let mean_s = truth.idle_s + 0.01 + truth.variability * chance * wait;
            let p99_s = truth.p99_s(&parts);
            fit.add(Seen {
                parts,
                mean_s,
                p99_s,
            });
        }
        let curve = fit.curve();
        for utilisation in [0.5, 0.7, 0.85] {
            let (learnt, true_p99) = (
                curve.p99_s(&[part(utilisation)]),
                truth.p99_s(&[part(utilisation)]),
            );
            assert!(
                (learnt / true_p99 - 1.0).abs() < 0.25,
                "{utilisation}: {learnt} {true_p99}"
            );
        }
    }

    #[test]
    fn the_curve_rises_with_load_and_falls_with_cpu() {
        let curve = Curve::default();
        assert!(curve.p99_s(&[part(0.9)]) > curve.p99_s(&[part(0.5)]));
        let larger = Part {
            cores: 4.0,
            ..part(0.8)
        };
        assert!(curve.p99_s(&[larger]) < curve.p99_s(&[part(0.8)]));
    }
}
