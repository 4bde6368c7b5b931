//! The shop while it runs: services in their graph, people who come back, failures. Time is an argument.

use crate::{
    queueing::Moments,
    service::{Service, Stepped},
    shop::{STEP_S, Shop},
};

/// The running shop.
#[derive(Debug, Clone)]
pub struct World {
    shop: Shop,
    /// Services, callers before those they call.
    pub services: Vec<Service>,
    /// People who will come again in the next step.
    again: f64,
}

/// What one step came to for the people outside, and for each service.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Requests from outside, those that came again included.
    pub arrived: f64,
    /// Those that got an error.
    pub errors: f64,
    /// Those that were answered, but later than the objective.
    pub late: f64,
    /// How long an answer takes.
    pub whole: Moments,
    /// By service: what it did, and how long a request takes with all that it calls.
    pub services: Vec<(Stepped, Moments)>,
}

impl World {
    /// Starts with so many warm instances of so many CPUs of each service.
    #[must_use]
    pub fn new(shop: &Shop, sizes: &[(u32, f64)]) -> Self {
        let programs = shop.programs.iter().zip(sizes);
        let services = programs
            .map(|(program, (count, cores))| Service::warm(program.clone(), *count, *cores));
        Self {
            shop: shop.clone(),
            services: services.collect(),
            again: 0.0,
        }
    }

    /// `fresh` requests come from outside; five seconds pass.
    pub fn step(&mut self, now_s: u64, fresh: f64) -> Outcome {
        let arrived = fresh + self.again;
        let stepped = self.flow(now_s, arrived);
        let (times, fails) = self.upwards(&stepped);
        let whole = times.first().copied().unwrap_or_default();
        let (first, failing) = (
            stepped.first().copied().unwrap_or_default(),
            fails.first().copied().unwrap_or_default(),
        );
        let errors = (first.failed + first.served * failing).min(arrived);
        self.again = errors * self.shop.come_back;
        Outcome {
            arrived,
            errors,
            late: (arrived - errors) * whole.over(self.shop.objective_s),
            whole,
            services: stepped.into_iter().zip(times).collect(),
        }
    }

    /// Requests go down the graph: each that is served calls others, and calls that fail are tried again.
    fn flow(&mut self, now_s: u64, outside: f64) -> Vec<Stepped> {
        #[expect(clippy::cast_precision_loss, reason = "a handful of seconds")]
        let step_s = STEP_S as f64;
        let failing: Vec<f64> = self
            .services
            .iter()
            .map(|service| service.failing)
            .collect();
        let mut coming = vec![0.0; self.services.len()];
        if let Some(first) = coming.first_mut() {
            *first = outside;
        }
        let mut done = Vec::with_capacity(self.services.len());
        for (place, service) in self.services.iter_mut().enumerate() {
            service.expire(now_s);
            let arrived = coming.get(place).copied().unwrap_or_default();
            let stepped = service.step(now_s, step_s, arrived);
            for call in &service.program.calls {
                let fails = failing.get(call.to).copied().unwrap_or_default();
                if let Some(coming) = coming.get_mut(call.to) {
                    *coming += stepped.served * call.count * tries(fails, service.program.retries);
                }
            }
            done.push(stepped);
        }
        done
    }

    /// Time and failure go up the graph: a request takes as long as what it waits for, and fails with it.
    /// The second is the share of served requests that fail because of what they called.
    fn upwards(&self, stepped: &[Stepped]) -> (Vec<Moments>, Vec<f64>) {
        let mut times: Vec<Moments> = stepped.iter().map(|one| one.own).collect();
        let mut below = vec![0.0; stepped.len()];
        for (place, service) in self.services.iter().enumerate().rev() {
            let mut time = times.get(place).copied().unwrap_or_default();
            let mut good = 1.0;
            for call in &service.program.calls {
                let called = times.get(call.to).copied().unwrap_or_default();
                let fails = self.services.get(call.to).map_or(0.0, |one| one.failing);
                let deeper = below.get(call.to).copied().unwrap_or_default();
                let lost =
                    1.0 - (1.0 - fails.powi(power(service.program.retries))) * (1.0 - deeper);
                time = time.then(called.times(call.count * tries(fails, service.program.retries)));
                good *= (1.0 - lost).max(0.0).powf(call.count);
            }
            if let (Some(slot), Some(lost)) = (times.get_mut(place), below.get_mut(place)) {
                *slot = time;
                *lost = 1.0 - good;
            }
        }
        (times, below)
    }
}

fn power(retries: u32) -> i32 {
    i32::try_from(retries + 1).unwrap_or(i32::MAX)
}

/// Mean number of tries when each fails with this chance: `1 + f + f² + …`.
fn tries(fails: f64, retries: u32) -> f64 {
    (0..=power(retries) - 1)
        .map(|again| fails.powi(again))
        .sum()
}
