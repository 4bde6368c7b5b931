//! Ostler: the shipped core rule, tuned by the shipped scaler's thinking.

use ostler_capacity::{
    capacity::Curve,
    plan::{Brain, Plan, Rhythm, Standing},
    reading::Reading,
};
use ostler_core::{
    autoscale::{self, Load, Sight, Tuning, recommend},
    signal::SignalKind,
    spec::{Replicas, Scaling, Target},
    time::{Span, Time},
    units::MilliCpu,
};

use super::{Autoscaler, Order, Pace, View, count, ready};
use crate::{scenario::Scenario, scrape::Sample};

/// What the user guessed: so many requests a second for each instance. Holds until the scaler knows better.
const GUESS: f64 = 30.0;
/// The fewest CPUs an instance is given.
const LEAST_CORES: f64 = 0.1;
/// Samples kept for the rule: its windows are minutes long.
const KEPT: usize = 200;
/// The run begins at some moment, so that an hour before it is a moment too.
const BEGIN: Time = Time(1_000_000_000_000);

/// Ostler at work.
#[derive(Debug)]
pub struct Ostler {
    brain: Brain,
    scaling: Scaling,
    names: Vec<&'static str>,
    bounds: (u32, u32),
    /// Most CPUs of an instance; `None` where CPU stays.
    most_cores: Option<f64>,
    cores: f64,
    pace: Pace,
    services: Vec<Service>,
    said: Vec<Plan>,
}

#[derive(Debug, Default)]
struct Service {
    load: Load,
    tuning: Option<Tuning>,
    cores: Option<f64>,
}

impl Ostler {
    /// With CPU changed in place, or with instances of `cores` CPUs that stay.
    #[must_use]
    pub fn new(scenario: &Scenario, cores: f64, resizes: bool, pace: Pace) -> Self {
        let shop = &scenario.shop;
        let slowest = shop
            .programs
            .iter()
            .map(|program| program.start_s + program.cold_s)
            .max();
        let rhythm = Rhythm {
            turn: Span::seconds(pace.every_s),
            delay: Span::seconds(pace.delay_s),
            start: Span::seconds(slowest.unwrap_or_default()),
        };
        let names: Vec<&str> = shop.programs.iter().map(|program| program.name).collect();
        Self {
            brain: Brain::new(
                rhythm,
                names.first().copied().unwrap_or_default(),
                shop.objective_s,
            ),
            scaling: Scaling {
                targets: vec![Target::RequestRate {
                    per_instance: GUESS,
                }],
                ..Scaling::default()
            },
            services: names.iter().map(|_| Service::default()).collect(),
            names,
            bounds: (shop.min, shop.max),
            most_cores: resizes.then_some(shop.most_cores),
            cores,
            pace,
            said: Vec::new(),
        }
    }

    /// What was planned last, with its reasons.
    #[must_use]
    pub fn said(&self) -> &[Plan] {
        &self.said
    }

    /// What was learnt of how latency follows load.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.brain.curve()
    }

    fn see(&mut self, now: Time, views: &[View<'_>]) {
        for ((view, name), service) in views.iter().zip(&self.names).zip(&mut self.services) {
            if let Some(sample) = view.sample {
                service.remember(&sample, count(view));
                // What cannot be true is passed over; the plan holds what it has no fresh reading of.
                let _doubted = self
                    .brain
                    .see(name, reading(&sample, count(view)), now)
                    .is_err();
            }
        }
    }

    fn standing(&self, now_s: u64, place: usize, view: &View<'_>) -> Standing {
        let young = |one: &&crate::service::Instance| {
            one.ready_s > 0 && one.ready_s <= now_s && now_s - one.ready_s < 60
        };
        Standing {
            name: self
                .names
                .get(place)
                .copied()
                .unwrap_or_default()
                .to_owned(),
            wanted: count(view),
            ready: ready(view, now_s),
            young: u32::try_from(view.instances.iter().filter(young).count()).unwrap_or(u32::MAX),
            cores: view.cores,
            bounds: self.bounds,
            resize: self.most_cores.map(|most| (LEAST_CORES, most)),
        }
    }

    fn tune(&mut self, now: Time, now_s: u64, views: &[View<'_>]) {
        let standings = views
            .iter()
            .enumerate()
            .map(|(place, view)| self.standing(now_s, place, view));
        let standings: Vec<Standing> = standings.collect();
        self.said = self.brain.plan(&standings, now);
        for (name, service) in self.names.iter().zip(&mut self.services) {
            let plan = self.said.iter().find(|plan| plan.name == *name);
            service.cores = plan.and_then(|plan| plan.cores);
            service.tuning = plan
                .map(|plan| plan.tuning.clone())
                .or(service.tuning.take());
        }
    }
}

impl Service {
    fn remember(&mut self, sample: &Sample, expected: u32) {
        let kept = self
            .load
            .signals
            .entry(SignalKind::RequestRate)
            .or_default();
        kept.push(autoscale::Sample {
            at: moment(sample.at_s),
            total: sample.rate,
            reporting: sample.reporting,
            expected: expected.min(sample.reporting),
        });
        if kept.len() > KEPT {
            kept.remove(0);
        }
    }

    fn replicas(
        &mut self,
        now: Time,
        now_s: u64,
        view: &View<'_>,
        scaling: &Scaling,
        bounds: (u32, u32),
    ) -> u32 {
        let replicas = count(view);
        let sight = Sight {
            scaling,
            tuning: self.tuning.as_ref(),
            bounds: Replicas {
                min: bounds.0,
                max: bounds.1,
            },
            cpu_request: Some(milli(view.cores)),
            replicas,
            ready: ready(view, now_s),
            standing: autoscale::Standing::Steady,
            load: Some(&self.load),
            now,
        };
        let wanted = recommend(&sight).replicas;
        if wanted != replicas {
            self.load.scaled_at = Some(now);
        }
        wanted
    }
}

impl Autoscaler for Ostler {
    fn cores(&self) -> f64 {
        self.cores
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn turn(&mut self, now_s: u64, views: &[View<'_>]) -> Vec<Order> {
        let now = moment(now_s);
        self.see(now, views);
        self.tune(now, now_s, views);
        let (scaling, bounds) = (&self.scaling, self.bounds);
        let pairs = views.iter().zip(&mut self.services);
        pairs
            .map(|(view, service)| Order {
                replicas: service.replicas(now, now_s, view, scaling, bounds),
                cores: service.cores.unwrap_or(view.cores),
            })
            .collect()
    }
}

const fn moment(at_s: u64) -> Time {
    Time(BEGIN.0 + at_s * 1_000)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few CPUs"
)]
fn milli(cores: f64) -> MilliCpu {
    MilliCpu((cores * 1_000.0).round().max(0.0) as u64)
}

fn reading(sample: &Sample, expected: u32) -> Reading {
    Reading {
        at: moment(sample.at_s),
        rate: sample.rate,
        served: sample.served,
        used: sample.used,
        mean_s: sample.mean_s,
        p99_s: sample.p99_s,
        waiting: sample.queue,
        reporting: sample.reporting,
        expected,
        cores: sample.cores,
    }
}
