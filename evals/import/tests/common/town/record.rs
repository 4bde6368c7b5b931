//! What is written down of a town: which measures in which units, and each through its own instrument.

use ostler_diagnosis::picture::{Measure, Signal};

use super::dice::Dice;
use super::noise::{Garbage, Instrument};
use super::physics::State;
use super::plan::Plan;

/// What one town's monitoring is like.
pub struct Monitoring {
    /// Latencies and errors as callers see them, not as the service itself does.
    from_callers: bool,
    /// A high quantile and not the mean.
    quantile: bool,
    /// Errors as a share of requests and not as a count a second.
    shares: bool,
    /// Series of errors exist from the first error on.
    errors_from_first: bool,
    /// Processor as a percentage of the limit and not in cores; memory in megabytes and not in bytes.
    percent: bool,
    megabytes: bool,
    measured: Vec<Measure>,
}

impl Monitoring {
    pub fn draw(dice: &mut Dice) -> Self {
        use Measure::{Cpu, Disk, Errors, Latency, Load, Memory, Network, Rate, Restarts};
        let mut measured = vec![Cpu, Memory, Latency];
        let often = [
            (Rate, 0.9),
            (Errors, 0.85),
            (Disk, 0.7),
            (Network, 0.75),
            (Load, 0.35),
            (Restarts, 0.25),
        ];
        for (measure, chance) in often {
            if dice.happens(chance) {
                measured.push(measure);
            }
        }
        Self {
            from_callers: dice.happens(0.5),
            quantile: dice.happens(0.5),
            shares: dice.happens(0.4),
            errors_from_first: dice.happens(0.4),
            percent: dice.happens(0.4),
            megabytes: dice.happens(0.4),
            measured,
        }
    }

    /// The value of a measure while a step lasts, without anybody's error.
    fn value(&self, dice: &mut Dice, measure: Measure, seen: &Seen<'_>) -> f64 {
        let Seen {
            plan, place, state, ..
        } = *seen;
        let service = &plan.services[place];
        match measure {
            Measure::Rate => dice.poisson(state.reached * seen.step_s) / seen.step_s,
            Measure::Errors => {
                let share = if self.from_callers {
                    state.seen_failed
                } else {
                    state.failed * state.reached / state.rate.max(1e-9)
                };
                // Something fails now and then, everywhere.
                let mean = state.rate * seen.step_s * (share + seen.flaky);
                let count = dice.poisson(mean);
                if self.shares {
                    (count / (state.rate * seen.step_s).max(1.0)).min(1.0)
                } else {
                    count / seen.step_s
                }
            }
            Measure::Latency => {
                let time = if self.from_callers {
                    state.seen_s
                } else {
                    state.time_s
                };
                let answered = (state.reached * seen.step_s).max(0.3);
                // Few requests tell their time badly; of a gamma distribution of order two.
                let luck = (dice.normal() * (0.5 / answered).sqrt()).exp();
                1e3 * time * luck * if self.quantile { 1.94 } else { 1.0 }
            }
            Measure::Cpu => {
                let cores = state.cores + 0.003 + seen.starting * service.cores * 0.3;
                if self.percent {
                    100.0 * cores / service.cores
                } else {
                    cores
                }
            }
            Measure::Memory => {
                let up = 1.0 - 0.7 * state.down;
                let bytes =
                    (service.memory_bytes * seen.level + state.under_way * service.held_bytes) * up
                        + seen.extra_bytes
                        + seen.garbage_bytes;
                if self.megabytes { bytes / 1e6 } else { bytes }
            }
            Measure::Disk => state.disk + 2000.0,
            Measure::Network => {
                let called: f64 = service
                    .calls
                    .iter()
                    .map(|call| call.times * plan.services[call.to].wire_bytes)
                    .sum();
                state.wire + 0.5 * state.rate * (1.0 - state.failed) * called + 500.0
            }
            Measure::Load => state.under_way,
            Measure::Restarts | Measure::Availability | Measure::Other => seen.restarts,
        }
    }
}

/// One service at one step.
pub struct Seen<'a> {
    pub plan: &'a Plan,
    pub place: usize,
    pub state: &'a State,
    pub step_s: f64,
    pub flaky: f64,
    /// Processor of a start, as a share.
    pub starting: f64,
    /// Its memory, times.
    pub level: f64,
    pub extra_bytes: f64,
    pub garbage_bytes: f64,
    pub restarts: f64,
}

/// A series that is being written.
pub struct Series {
    pub signal: Signal,
    instrument: Instrument,
    started: bool,
}

/// All series of one service.
pub struct Writer {
    pub series: Vec<Series>,
    pub garbage: Garbage,
    pub flaky: f64,
}

impl Writer {
    pub fn new(
        dice: &mut Dice,
        monitoring: &Monitoring,
        plan: &Plan,
        place: usize,
        steps: usize,
    ) -> Self {
        let service = &plan.services[place];
        let series = monitoring.measured.iter().map(|measure| {
            let (name, noise) = titled(*measure, monitoring.quantile);
            let exact = matches!(measure, Measure::Restarts | Measure::Errors | Measure::Rate);
            let instrument = Instrument::draw(dice, steps, if exact { 0.0 } else { noise });
            Series {
                signal: Signal {
                    object: service.name.clone(),
                    measure: *measure,
                    name: name.to_owned(),
                    points: Vec::with_capacity(steps),
                },
                instrument,
                started: false,
            }
        });
        Self {
            series: series.collect(),
            garbage: Garbage::draw(dice, service.memory_bytes),
            flaky: if dice.happens(0.4) {
                dice.scaled(1e-5, 5e-3)
            } else {
                0.0
            },
        }
    }

    pub fn write(
        &mut self,
        dice: &mut Dice,
        monitoring: &Monitoring,
        step: usize,
        at_s: f64,
        seen: &Seen<'_>,
    ) {
        for series in &mut self.series {
            let measure = series.signal.measure;
            let value = monitoring.value(dice, measure, seen);
            // Nobody answered: there is no time to tell.
            let silent = measure == Measure::Latency && seen.state.reached * seen.step_s < 0.05;
            let errors_unknown = measure == Measure::Errors && monitoring.errors_from_first;
            series.started |= value > 0.0;
            if silent || (errors_unknown && !series.started) {
                continue;
            }
            let read = series.instrument.read(dice, step, at_s, value);
            series.signal.points.extend(read.map(|value| (at_s, value)));
        }
    }
}

fn titled(measure: Measure, quantile: bool) -> (&'static str, f64) {
    match measure {
        Measure::Rate => ("requests", 0.0),
        Measure::Errors => ("errors", 0.0),
        Measure::Latency if quantile => ("latency_p90", 0.06),
        Measure::Latency => ("latency_mean", 0.03),
        Measure::Cpu => ("cpu", 0.05),
        Measure::Memory => ("memory", 0.005),
        Measure::Disk => ("disk_bytes", 0.2),
        Measure::Network => ("network_bytes", 0.05),
        Measure::Load => ("under_way", 0.15),
        Measure::Restarts => ("restarts", 0.0),
        Measure::Availability | Measure::Other => ("other", 0.0),
    }
}
