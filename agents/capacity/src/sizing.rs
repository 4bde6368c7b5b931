//! One service's share of a plan: instances, CPU of each, and floors ahead of peaks.

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
    size::{self, By, Sized},
    why::{Numbers, Why},
};

/// With this much of their CPU in use, instances just bear what they are given.
const BARE: f64 = 0.85;
/// What an instance lacks of its later speed in its first minute.
const COLD: f64 = 0.5;
/// CPU is taken away only where at least this share can be.
const WORTH: f64 = 0.04;
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
    /// Where there are far more instances than there should be, CPU is given as if some had gone: only
    /// then can they go without being missed.
    pub fewer: Option<u32>,
}

impl Known<'_> {
    pub fn sized(&self, press: f64) -> Sized {
        let Part { visits, work_s, .. } = self.part;
        // CPU changes at once; who can only be given instances needs what may come while these start.
        let (ahead, by) = match self.standing.resize {
            Some((least, most)) => {
                // Where even the most CPU is not enough, more instances are on their way: what these
                // will do for users is no reason to give more to the others meanwhile.
                let coming = size::count(self.near.high * work_s * press / size::USUAL, most);
                let count = self.fewer.unwrap_or(self.standing.ready).max(coming);
                (self.near, By::Cpu { count, least, most })
            }
            None => {
                let high = self.near.high.max(self.far.high);
                let cores = self.standing.cores;
                (Ahead { high, ..self.far }, By::Instances { cores })
            }
        };
        Sized {
            visits,
            work_s,
            high: ahead.high * work_s * press,
            expected: ahead.expected * work_s,
            by,
        }
    }
}

/// Half of them at a time at most, as the core's rule does it.
pub(super) fn fewer(standing: &Standing, usual: Option<u32>) -> Option<u32> {
    let usual = usual?.clamp(standing.bounds.0, standing.bounds.1);
    let many = standing.resize.is_some() && usual * 5 <= standing.ready * 4;
    many.then(|| usual.max(standing.ready.div_ceil(2)))
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
    pub fn plan(&self, mind: &mut Mind, one: &Known<'_>, sized: &Sized, size: f64) -> Plan {
        let (wanted, each_rate) = self.instances(one, sized, size);
        let cores = self.cores(mind, one, sized);
        let (min, max) = one.standing.bounds;
        let now = one.standing.cores;
        let why = Numbers {
            rate: one.reading.rate,
            expected: one.near.expected,
            high: one.near.high,
            work_s: one.part.work_s,
            busy: self.busy,
            p99_s: self.p99_s,
            cores: (now, cores.unwrap_or(now)),
            instances: (one.standing.ready, wanted.clamp(min, max)),
        };
        let tuning = Tuning {
            targets: vec![Target::RequestRate {
                per_instance: each_rate,
            }],
            floors: self.floors(mind, wanted, one.part.work_s, size),
            until: self.now + HOLDS,
        };
        Plan {
            name: one.standing.name.clone(),
            tuning,
            cores,
            why: Why::Numbers(why),
        }
    }

    /// The fewest instances for now, and requests per second that each should carry.
    fn instances(&self, one: &Known<'_>, sized: &Sized, size: f64) -> (u32, f64) {
        match sized.by {
            By::Cpu { most, .. } => {
                // Room for what comes while instances start, and no fewer than can bear the expected
                // demand with the CPU that they have: CPU follows where instances go.
                let later = one.far.expected.max(one.near.high) * one.part.work_s / self.busy;
                let enough = if one.fewer.is_some() {
                    sized.high / self.busy
                } else {
                    sized.expected / BARE
                };
                let bare = size::count(enough, one.standing.cores);
                (
                    size::count(later, most).max(bare.min(one.standing.ready)),
                    size * size::USUAL / one.part.work_s,
                )
            }
            By::Instances { cores } => {
                let total = sized.total(self.busy);
                let wanted = size::count(total, cores);
                (wanted, one.reading.rate.max(0.01) / (total / cores))
            }
        }
    }

    /// CPU of each instance: up at once, down to what was enough for a minute, and only where that
    /// saves something.
    fn cores(&self, mind: &mut Mind, one: &Known<'_>, sized: &Sized) -> Option<f64> {
        let standing = one.standing;
        let (least, most) = standing.resize?;
        let ready =
            f64::from(standing.ready) - f64::from(standing.young.min(standing.ready)) * COLD;
        let worth = f64::from(standing.ready) / ready.max(0.5);
        let total = sized.total(self.busy) * worth;
        let now = size::each(total, one.fewer.unwrap_or(standing.ready), least, most);
        let held = mind.held(self.now, now);
        let saves = held < standing.cores * (1.0 - WORTH);
        (held > standing.cores + 1e-9 || saves).then_some(held)
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
