//! Ostler: the shipped rules of the core, for the number of instances and for the CPU of each. Where CPU stays, the
//! number is tuned by the shipped scaler's thinking.

use ostler_capacity::{
    capacity::Curve,
    plan::{Brain, Plan, Rhythm, Standing},
    reading::Reading,
};
use ostler_core::{
    autoscale::{self, Load, Sight, Tuning, recommend, size},
    signal::SignalKind,
    spec::{FollowCpu, Replicas, Scaling, Target},
    time::{Span, Time},
    units::MilliCpu,
};

use super::{Autoscaler, Order, Pace, Shared, View, count, ready};
use crate::{scenario::Scenario, scrape::Sample};

/// What the user guessed where CPU stays: so many requests a second for each instance. Holds until the scaler knows
/// better.
const GUESS: f64 = 30.0;
/// The manifest where CPU follows, one for all services and loads: what an instance starts with and is counted by, how
/// busy that should be, and how busy what it gets should be, in percent.
const REQUEST: f64 = 4.0;
const COUNTED: f64 = 75.0;
const FOLLOWED: f64 = 90.0;
/// The fewest CPUs an instance is given.
const LEAST_CORES: f64 = 0.1;
/// Samples kept for the rules: an hour.
const KEPT: usize = 720;
/// The run begins at some moment, so that an hour before it is a moment too.
const BEGIN: Time = Time(1_000_000_000_000);

/// Ostler at work.
#[derive(Debug)]
pub struct Ostler {
    /// The scaler's thinking, where CPU stays.
    brain: Option<Brain>,
    scaling: Scaling,
    names: Vec<&'static str>,
    bounds: (u32, u32),
    cores: f64,
    pace: Pace,
    services: Vec<Service>,
    said: Vec<Plan>,
}

#[derive(Debug, Default)]
struct Service {
    load: Load,
    tuning: Option<Tuning>,
    /// CPUs that those that are ready share.
    total: Option<f64>,
}

impl Ostler {
    /// With CPU that follows the load in place, or with instances of `cores` CPUs that stay.
    #[must_use]
    pub fn new(scenario: &Scenario, cores: f64, follows: bool, pace: Pace) -> Self {
        let shop = &scenario.shop;
        let scaling = if follows {
            following(shop.most_cores)
        } else {
            let per_instance = GUESS;
            Scaling {
                targets: vec![Target::RequestRate { per_instance }],
                ..Scaling::default()
            }
        };
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
            brain: (!follows).then(|| {
                let entry = names.first().copied().unwrap_or_default();
                Brain::new(rhythm, entry, shop.objective_s)
            }),
            scaling,
            services: names.iter().map(|_| Service::default()).collect(),
            names,
            bounds: (shop.min, shop.max),
            cores: if follows { REQUEST } else { cores },
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
        self.brain.as_ref().map(Brain::curve).unwrap_or_default()
    }

    fn see(&mut self, now: Time, views: &[View<'_>]) {
        for ((view, name), service) in views.iter().zip(&self.names).zip(&mut self.services) {
            if let Some(sample) = view.sample {
                service.remember(&sample, count(view));
                if let Some(brain) = &mut self.brain {
                    // What cannot be true is passed over; the plan holds what it has no fresh reading of.
                    let _doubted = brain.see(name, reading(&sample, count(view)), now).is_err();
                }
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
        }
    }

    fn tune(&mut self, now: Time, now_s: u64, views: &[View<'_>]) {
        let standings = views
            .iter()
            .enumerate()
            .map(|(place, view)| self.standing(now_s, place, view));
        let standings: Vec<Standing> = standings.collect();
        let Some(brain) = &mut self.brain else {
            return;
        };
        self.said = brain.plan(&standings, now);
        for (name, service) in self.names.iter().zip(&mut self.services) {
            let plan = self.said.iter().find(|plan| plan.name == *name);
            service.tuning = plan
                .map(|plan| plan.tuning.clone())
                .or(service.tuning.take());
        }
    }
}

impl Service {
    fn remember(&mut self, sample: &Sample, expected: u32) {
        for (signal, total) in [
            (SignalKind::RequestRate, sample.rate),
            (SignalKind::CpuCores, sample.used),
        ] {
            let kept = self.load.signals.entry(signal).or_default();
            kept.push(autoscale::Sample {
                at: moment(sample.at_s),
                total,
                reporting: sample.reporting,
                expected: expected.min(sample.reporting),
            });
            if kept.len() > KEPT {
                kept.remove(0);
            }
        }
    }

    /// CPU that those that are ready share, and within which bounds.
    fn shared(&mut self, now: Time, now_s: u64, view: &View<'_>, follow: &FollowCpu) -> Shared {
        let has = *self
            .total
            .get_or_insert(f64::from(ready(view, now_s)) * view.cores);
        let need = size::need(follow, milli(has), Some(&self.load), now);
        if let Some(need) = need.filter(|need| need.differs(need.cores, has)) {
            self.total = Some(need.cores);
        }
        Shared {
            total: self.total.unwrap_or(has),
            bounds: (follow.min.as_cores(), follow.max.as_cores()),
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
            cpu_request: Some(milli(REQUEST)),
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
                cores: view.cores,
                shared: scaling
                    .cpu
                    .map(|follow| service.shared(now, now_s, view, &follow)),
            })
            .collect()
    }
}

/// The manifest of services whose CPU follows.
fn following(most_cores: f64) -> Scaling {
    Scaling {
        targets: vec![Target::Cpu { percent: COUNTED }],
        cpu: Some(FollowCpu {
            min: milli(LEAST_CORES),
            max: milli(most_cores),
            percent: FOLLOWED,
        }),
        ..Scaling::default()
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
