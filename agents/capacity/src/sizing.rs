//! One service's share of a plan: instances, and floors ahead of peaks.

use ostler_core::{
    autoscale::{Floor, Tuning},
    spec::Target,
    time::{Span, Time},
};

use crate::{
    capacity::Part,
    forecast::Ahead,
    mind::Mind,
    plan::{HOLDS, Plan, Rhythm, Standing},
    reading::Reading,
    size::{self, Sized},
    why::{Numbers, Why},
};

/// Floors ahead of peaks: so many, so far apart, and so long before.
const FLOORS: u64 = 8;
const FLOOR_EVERY: Span = Span::minutes(15);
const BEFORE: Span = Span::minutes(5);

/// What is known of one service when a plan is made.
pub(super) struct Known<'a> {
    pub standing: &'a Standing,
    pub near: Ahead,
    pub far: Ahead,
    pub reading: Reading,
    pub part: Part,
}

impl Known<'_> {
    pub fn sized(&self, press: f64) -> Sized {
        let Part { visits, work_s, .. } = self.part;
        // What may come while new instances start.
        let high = self.near.high.max(self.far.high);
        Sized {
            visits,
            work_s,
            high: high * work_s * press,
            expected: self.far.expected * work_s,
            cores: self.standing.cores,
        }
    }
}

/// What is the same for all services of a plan.
pub(super) struct Sizing {
    pub now: Time,
    /// How busy parts may be at the highest demand.
    pub busy: f64,
    /// The users' 99th percentile then.
    pub p99_s: f64,
    pub rhythm: Rhythm,
}

impl Sizing {
    pub fn plan(&self, mind: &Mind, one: &Known<'_>, sized: &Sized) -> Plan {
        let cores = sized.cores;
        let total = sized.total(self.busy);
        let wanted = size::count(total, cores);
        let (min, max) = one.standing.bounds;
        let why = Numbers {
            rate: one.reading.rate,
            expected: one.near.expected,
            high: one.near.high,
            work_s: one.part.work_s,
            busy: self.busy,
            p99_s: self.p99_s,
            cores,
            instances: (one.standing.ready, wanted.clamp(min, max)),
        };
        let tuning = Tuning {
            targets: vec![Target::RequestRate {
                per_instance: one.reading.rate.max(0.01) / (total / cores),
            }],
            floors: self.floors(mind, wanted, one.part.work_s, cores),
            until: self.now + HOLDS,
        };
        Plan {
            name: one.standing.name.clone(),
            tuning,
            why: Why::Numbers(why),
        }
    }

    /// What is needed soon, and what other days say of the hours to come.
    fn floors(&self, mind: &Mind, wanted: u32, work_s: f64, size: f64) -> Vec<Floor> {
        let soon = Floor {
            from: self.now,
            until: self.now + self.rhythm.turn + self.rhythm.turn,
            replicas: wanted,
        };
        let later = mind
            .later(FLOOR_EVERY, FLOORS)
            .into_iter()
            .map(|(at, demand)| Floor {
                from: at - BEFORE,
                until: at + FLOOR_EVERY - BEFORE,
                replicas: size::count(demand * work_s / size::USUAL, size),
            });
        let higher = later.filter(|floor| floor.replicas > wanted);
        std::iter::once(soon).chain(higher).collect()
    }
}
