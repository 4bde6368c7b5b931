//! What a run is measured by: minutes out of the objective, core-hours reserved, direction changes.

use crate::{
    scenario::Scenario,
    shop::STEP_S,
    world::{Outcome, World},
};

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Result {
    /// Minutes measured.
    pub minutes: u32,
    /// Minutes in which more than one request of a hundred was late or failed, or more failed than may.
    pub out: u32,
    /// CPUs reserved, times hours: all instances, starting ones included.
    pub core_hours: f64,
    /// Times that a service grew after it had shrunk, or shrank after it had grown, in instances.
    pub turns: u32,
    /// Times that CPUs of a service's instances were changed.
    pub resizes: u32,
    /// Share of requests that failed.
    pub failed: f64,
    /// Minute by minute, for plots: requests per second, CPUs reserved, 99th percentile in seconds.
    pub series: Vec<Point>,
}

impl Result {
    /// Both together; minute by minute, only the first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let share = f64::from(self.minutes) / f64::from((self.minutes + other.minutes).max(1));
        Self {
            minutes: self.minutes + other.minutes,
            out: self.out + other.out,
            core_hours: self.core_hours + other.core_hours,
            turns: self.turns + other.turns,
            resizes: self.resizes + other.resizes,
            failed: self.failed * share + other.failed * (1.0 - share),
            series: self.series,
        }
    }
}

/// One minute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// Requests per second from outside.
    pub rate: f64,
    /// CPUs reserved.
    pub cores: f64,
    /// 99th percentile at its worst, in seconds.
    pub p99_s: f64,
    /// Whether it was out.
    pub out: bool,
}

/// Measures while a run goes on.
#[derive(Debug)]
pub struct Measure {
    from_s: u64,
    errors: f64,
    result: Result,
    minute: Minute,
    /// By service: instances, CPUs of each, and the last direction.
    last: Vec<(usize, f64, i8)>,
    requests: f64,
    failed: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    steps: u32,
    arrived: f64,
    errors: f64,
    late: f64,
    cores: f64,
    p99_s: f64,
}

const STEPS_OF_A_MINUTE: u32 = 12;

#[expect(clippy::cast_precision_loss, reason = "a handful of seconds")]
const STEP: f64 = STEP_S as f64;

impl Measure {
    /// For a scenario, from its start.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            from_s: u64::try_from(scenario.unmeasured)
                .unwrap_or(u64::MAX)
                .saturating_mul(STEP_S),
            errors: scenario.shop.errors,
            result: Result::default(),
            minute: Minute::default(),
            last: Vec::new(),
            requests: 0.0,
            failed: 0.0,
        }
    }

    /// Takes in one step.
    pub fn add(&mut self, now_s: u64, world: &World, outcome: &Outcome) {
        let counts = now_s >= self.from_s;
        self.changes(world, counts);
        if !counts {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "some hundred instances")]
        let reserved =
            |service: &crate::service::Service| service.instances.len() as f64 * service.cores;
        let cores: f64 = world.services.iter().map(reserved).sum();
        self.result.core_hours += cores * STEP / 3_600.0;
        self.requests += outcome.arrived;
        self.failed += outcome.errors;
        let minute = &mut self.minute;
        minute.steps += 1;
        minute.arrived += outcome.arrived;
        minute.errors += outcome.errors;
        minute.late += outcome.late;
        minute.cores += cores;
        minute.p99_s = minute.p99_s.max(outcome.whole.p99());
        if minute.steps == STEPS_OF_A_MINUTE {
            self.close();
        }
    }

    /// Minutes out so far.
    #[must_use]
    pub const fn out(&self) -> u32 {
        self.result.out
    }

    /// Core-hours so far.
    #[must_use]
    pub const fn core_hours(&self) -> f64 {
        self.result.core_hours
    }

    fn close(&mut self) {
        let minute = std::mem::take(&mut self.minute);
        let out = minute.late + minute.errors > 0.01 * minute.arrived
            || minute.errors > self.errors * minute.arrived;
        self.result.minutes += 1;
        self.result.out += u32::from(out);
        let steps = f64::from(minute.steps);
        self.result.series.push(Point {
            rate: minute.arrived / steps / STEP,
            cores: minute.cores / steps,
            p99_s: minute.p99_s,
            out,
        });
    }

    fn changes(&mut self, world: &World, counts: bool) {
        self.last.resize(world.services.len(), (0, 0.0, 0));
        for ((count, cores, direction), service) in self.last.iter_mut().zip(&world.services) {
            let now = service.instances.len();
            let moved = match now.cmp(count) {
                std::cmp::Ordering::Less => -1,
                std::cmp::Ordering::Equal => 0,
                std::cmp::Ordering::Greater => 1,
            };
            let first = *count == 0;
            if moved != 0 && !first {
                self.result.turns += u32::from(counts && *direction == -moved);
                *direction = moved;
            }
            self.result.resizes +=
                u32::from(counts && !first && (service.cores - *cores).abs() > 1e-9);
            (*count, *cores) = (now, service.cores);
        }
    }

    /// Ends it.
    #[must_use]
    pub fn end(mut self) -> Result {
        self.result.failed = self.failed / self.requests.max(1.0);
        self.result
    }
}
