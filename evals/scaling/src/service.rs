//! One service while it runs: its instances, its queue, and what became of every request.

use ostler_core::autoscale::size::{WARM_AFTER, worth};

use crate::{
    control::Shared,
    queueing::{Load, Moments},
    shop::Program,
};

const WARM_AFTER_S: u64 = WARM_AFTER.0 / 1_000;

/// One instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instance {
    /// When it was asked for, in seconds of the run.
    pub born_s: u64,
    /// When it takes requests.
    pub ready_s: u64,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// What it does.
    pub program: Program,
    /// Its instances, oldest first.
    pub instances: Vec<Instance>,
    /// CPUs of each instance.
    pub cores: f64,
    /// Requests that wait.
    pub queue: f64,
    /// Share of the last step's requests that failed here.
    pub failing: f64,
    /// Added up since the start.
    pub accounts: Accounts,
    /// CPU that those that are ready share.
    pub shared: Option<Shared>,
    /// Requests that died with their instance since the last step.
    lost: f64,
}

/// Requests since the start. What arrived was served, failed or waits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Accounts {
    /// Came in.
    pub arrived: f64,
    /// Were answered.
    pub served: f64,
    /// Were given up on, or died with their instance.
    pub failed: f64,
}

/// What one step came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stepped {
    /// Requests that came.
    pub arrived: f64,
    /// Requests that were answered.
    pub served: f64,
    /// Requests that failed.
    pub failed: f64,
    /// CPUs in use, all instances together.
    pub used: f64,
    /// How long a request takes here, without what is called.
    pub own: Moments,
}

impl Service {
    /// With instances that are warm already.
    #[must_use]
    pub fn warm(program: Program, count: u32, cores: f64) -> Self {
        let instances = (0..count).map(|_| Instance {
            born_s: 0,
            ready_s: 0,
        });
        Self {
            program,
            instances: instances.collect(),
            cores,
            queue: 0.0,
            failing: 0.0,
            accounts: Accounts::default(),
            shared: None,
            lost: 0.0,
        }
    }

    /// Instances that take requests.
    #[must_use]
    pub fn ready(&self, now_s: u64) -> u32 {
        let ready = self.instances.iter().filter(|one| one.ready_s <= now_s);
        u32::try_from(ready.count()).unwrap_or(u32::MAX)
    }

    /// Grows or shrinks to `wanted` instances of `cores` CPUs. CPUs change at once; new instances start,
    /// the youngest go first.
    pub fn resize(&mut self, now_s: u64, wanted: u32, cores: f64) {
        self.cores = cores;
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        while self.instances.len() < wanted {
            self.instances.push(Instance {
                born_s: now_s,
                ready_s: now_s + self.program.start_s,
            });
        }
        self.instances.truncate(wanted);
    }

    /// One instance dies with its share of what waits, and starts again. `which` is from 0 up to 1.
    pub fn lose(&mut self, now_s: u64, which: f64) {
        let ready = f64::from(self.ready(now_s));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place among at most some hundred instances"
        )]
        let place = (which * self.instances.len() as f64) as usize;
        let Some(instance) = self.instances.get(place).copied() else {
            return;
        };
        if instance.ready_s <= now_s && ready > 0.0 {
            let lost = self.queue / ready;
            self.queue -= lost;
            self.accounts.failed += lost;
            self.lost += lost;
        }
        self.instances.remove(place);
        self.instances.push(Instance {
            born_s: now_s,
            ready_s: now_s + self.program.start_s,
        });
    }

    /// Leaking instances that have run for too long start again.
    pub fn expire(&mut self, now_s: u64) {
        let limit = self.program.leak_kills_h * 3_600.0;
        if limit <= 0.0 {
            return;
        }
        let old = |one: &&Instance| seconds(now_s.saturating_sub(one.ready_s)) > limit;
        // One at a time: they did not all start to leak in the same moment.
        if let Some(place) = self.instances.iter().position(|one| old(&one)) {
            #[expect(clippy::cast_precision_loss, reason = "some hundred instances")]
            let which = (place as f64 + 0.5) / self.instances.len() as f64;
            self.lose(now_s, which);
        }
    }

    /// Divides what is shared by those that are ready, cold ones as half, as the core does.
    fn share(&mut self, now_s: u64) {
        let Some(Shared { total, bounds }) = self.shared else {
            return;
        };
        let (mut warm, mut cold) = (0_u32, 0_u32);
        for one in self.instances.iter().filter(|one| one.ready_s <= now_s) {
            let young = one.ready_s > 0 && now_s < one.ready_s + WARM_AFTER_S;
            *(if young { &mut cold } else { &mut warm }) += 1;
        }
        self.cores = (total / worth(warm, cold).max(1.0)).clamp(bounds.0, bounds.1);
    }

    fn speed(&self, one: &Instance, now_s: u64) -> f64 {
        if one.ready_s > now_s {
            return 0.0;
        }
        let age_s = now_s - one.ready_s;
        // What was there at the start is warm.
        let cold = one.ready_s > 0 && age_s < self.program.cold_s;
        let worn = 1.0 + self.program.leak_per_hour * seconds(age_s) / 3_600.0;
        if cold {
            self.program.cold_speed
        } else {
            1.0 / worn
        }
    }

    /// Takes `arrived` requests and works for `step_s` seconds. Requests go to instances in proportion
    /// to how fast these are, as balancers that count what is outstanding do.
    pub fn step(&mut self, now_s: u64, step_s: f64, arrived: f64) -> Stepped {
        self.share(now_s);
        let speeds: Vec<f64> = self
            .instances
            .iter()
            .map(|one| self.speed(one, now_s))
            .filter(|speed| *speed > 0.0)
            .collect();
        let rate = self.cores * speeds.iter().sum::<f64>() / self.program.work_s;
        let waiting = self.queue;
        let served = (waiting + arrived).min(rate * step_s);
        let left = waiting + arrived - served;
        let kept = left.min(rate * self.program.timeout_s);
        let failed = left - kept;
        self.queue = kept;
        self.failing = if arrived > 0.0 {
            (failed / arrived).min(1.0)
        } else {
            0.0
        };
        self.accounts.arrived += arrived;
        self.accounts.served += served;
        self.accounts.failed += failed;
        let busy = if rate > 0.0 {
            served / (rate * step_s)
        } else {
            0.0
        };
        let backlog_s = if rate > 0.0 {
            (waiting + kept) / 2.0 / rate
        } else {
            0.0
        };
        #[expect(clippy::cast_precision_loss, reason = "some hundred instances")]
        let used = busy * self.cores * speeds.len() as f64;
        Stepped {
            arrived,
            served,
            failed: failed + std::mem::take(&mut self.lost),
            used,
            own: self.own(&speeds, busy).then(Moments::fixed(backlog_s)),
        }
    }

    fn own(&self, speeds: &[f64], utilisation: f64) -> Moments {
        let idle = Moments::fixed(self.program.idle_s);
        // Instances of the same speed take the same time: work it out once.
        let mut parts: Vec<(f64, f64)> = Vec::new();
        for speed in speeds {
            match parts
                .iter_mut()
                .find(|(known, _)| (known - speed).abs() < 0.01)
            {
                Some((_, weight)) => *weight += speed,
                None => parts.push((*speed, *speed)),
            }
        }
        let times: Vec<(f64, Moments)> = parts
            .into_iter()
            .map(|(speed, weight)| {
                let load = Load {
                    cores: self.cores,
                    work_s: self.program.work_s / speed,
                    utilisation,
                    variability: self.program.variability,
                };
                (weight, load.response())
            })
            .collect();
        Moments::mix(&times).then(idle)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a run stay far below 2^53"
)]
const fn seconds(span: u64) -> f64 {
    span as f64
}
