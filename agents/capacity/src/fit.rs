//! What one instance should be given, by what it used: CPU and memory that it reserves and may use.
//!
//! More is asked for soon, less only after a day was seen. What grows without end is no measure of what is needed:
//! nothing is said of it. Each step is bounded, so that a wrong one is small.

use std::collections::BTreeMap;

use ostler_core::time::{Span, Time};

use crate::robust::{median, quantile};

/// So long must have been seen before more is asked for.
pub const RAISES_AFTER: Span = Span::minutes(10);
/// And so long before less is: nearly a day, so that its peak is in it.
pub const LOWERS_AFTER: Span = Span::minutes(20 * 60);
/// Fewer values than this show nothing.
const FEWEST: usize = 20;
/// A day was seen where values came in so many of its hours.
const HOURS: usize = 20;
const HOUR: Span = Span::minutes(60);
/// Over more than two hours, values of so long count as one: the newest come far more densely than the old.
const BUCKET: Span = Span::minutes(5);
const BUCKETS_FROM: Span = Span::minutes(120);
/// Reserved: so many times the highest memory, and the CPU that was enough for 95 of 100 readings.
const RESERVED: f64 = 1.15;
/// A limit of memory: so many times the highest.
const LIMIT: f64 = 1.5;
/// A limit is close from this share in use on.
const CLOSE: f64 = 0.85;
/// More is reserved where this much is lacking: less is not worth a change.
const LACKS: f64 = 1.2;
/// Less is asked for where at least this share can be saved.
const WORTH: f64 = 0.3;
/// One step multiplies or divides by this at most.
const STEP: f64 = 2.0;
/// CPU is held back too often from this share of periods on; it gets so many times more.
const THROTTLED: (f64, f64) = (0.1, 1.5);
/// Memory that is higher by this share in the last third than in the first grows.
const GROWS: f64 = 0.1;
/// The fewest CPUs that are asked for.
const LEAST_CORES: f64 = 0.01;

/// What an instance was given: CPUs and bytes; `None` where nothing was said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Given {
    /// CPUs that it reserves.
    pub cpu_request: Option<f64>,
    /// CPUs that it may use.
    pub cpu_limit: Option<f64>,
    /// Bytes that it reserves.
    pub memory_request: Option<f64>,
    /// Bytes that it may use.
    pub memory_limit: Option<f64>,
}

/// What instances used, oldest first. Empty where nobody measured it.
#[derive(Debug, Clone, Default)]
pub struct Used {
    /// CPUs of one instance.
    pub cores: Vec<(Time, f64)>,
    /// Share of periods in which CPU was held back, from 0 to 1.
    pub throttled: Vec<(Time, f64)>,
    /// Bytes of the fullest instance.
    pub memory: Vec<(Time, f64)>,
}

/// What should be given instead; `None` where it stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fit {
    /// What changes.
    pub give: Given,
    /// Why, in numbers, one a change.
    pub why: Vec<String>,
}

impl Fit {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.give == Given::default()
    }
}

/// What fits better than what was given.
#[must_use]
pub fn fit(given: &Given, used: &Used) -> Fit {
    let mut fit = Fit::default();
    memory(given, &used.memory, &mut fit);
    cpu(given, used, &mut fit);
    fit
}

fn memory(given: &Given, used: &[(Time, f64)], fit: &mut Fit) {
    let Some(seen) = Seen::of(used, highest).filter(|seen| !seen.grows) else {
        return;
    };
    let peak = seen.highest;
    if let Some(limit) = given.memory_limit {
        let close = peak > limit * CLOSE;
        let raised = close.then(|| (peak * LIMIT).min(limit * STEP));
        let lowered = || seen.lowers(limit, peak * LIMIT);
        if let Some(next) = raised.or_else(lowered) {
            fit.give.memory_limit = Some(next);
            fit.why.push(format!(
                "the fullest instance used {} of memory at most in {}; it may use {}, {} leaves half as much again",
                mib(peak),
                seen.over,
                mib(limit),
                mib(next)
            ));
        }
    }
    let Some(request) = given.memory_request else {
        return;
    };
    let raised = (peak > request * LACKS).then(|| (peak * RESERVED).min(request * STEP));
    let next = raised.or_else(|| seen.lowers(request, peak * RESERVED));
    // Nothing reserves more than it may use.
    let limit = fit.give.memory_limit.or(given.memory_limit);
    let next = next.map(|next| limit.map_or(next, |limit| next.min(limit)));
    if let Some(next) = next.filter(|next| differs(*next, request)) {
        fit.give.memory_request = Some(next);
        fit.why.push(format!(
            "it reserves {} of memory and used {} at most; {} is enough",
            mib(request),
            mib(peak),
            mib(next)
        ));
    }
    let request = fit.give.memory_request.unwrap_or(request);
    let below = |limit: &f64| *limit < request;
    if fit.give.memory_limit.as_ref().is_some_and(below) {
        fit.give.memory_limit = Some(request);
    }
}

fn cpu(given: &Given, used: &Used, fit: &mut Fit) {
    let throttled = Seen::of(&used.throttled, mean).map(|seen| seen.middle);
    if let (Some(limit), Some(share)) = (given.cpu_limit, throttled)
        && share > THROTTLED.0
    {
        let next = limit * THROTTLED.1;
        fit.give.cpu_limit = Some(next);
        fit.why.push(format!(
            "its CPU was held back in {:.0} % of all periods; it may use {limit:.2} CPU, {next:.2} lets it work",
            share * 100.0
        ));
    }
    let (Some(request), Some(seen)) = (given.cpu_request, Seen::of(&used.cores, mean)) else {
        return;
    };
    let usual = seen.usual.max(LEAST_CORES);
    let raised = (usual > request * LACKS).then(|| (usual * RESERVED).min(request * STEP));
    let next = raised.or_else(|| seen.lowers(request, usual * RESERVED));
    let limit = fit.give.cpu_limit.or(given.cpu_limit);
    let next = next.map(|next| limit.map_or(next, |limit| next.min(limit)));
    if let Some(next) = next.filter(|next| differs(*next, request)) {
        fit.give.cpu_request = Some(next);
        fit.why.push(format!(
            "it reserves {request:.2} CPU and used {usual:.2} or less in 95 of 100 readings of {}; {next:.2} is enough",
            seen.over
        ));
    }
}

/// A series in the numbers that matter here.
struct Seen {
    over: Span,
    hours: usize,
    highest: f64,
    usual: f64,
    middle: f64,
    grows: bool,
}

impl Seen {
    /// Values that come closely are put together by `join`, so that each stretch of time counts alike.
    fn of(points: &[(Time, f64)], join: fn(&[f64]) -> f64) -> Option<Self> {
        let sound = |(_, value): &(Time, f64)| value.is_finite() && *value >= 0.0;
        if points.len() < FEWEST || !points.iter().all(sound) {
            return None;
        }
        let over = points.last()?.0.since(points.first()?.0);
        if over < RAISES_AFTER {
            return None;
        }
        let values: Vec<f64> = match over > BUCKETS_FROM {
            true => by_step(points, BUCKET, join),
            false => points.iter().map(|(_, value)| *value).collect(),
        };
        let hours = by_step(points, HOUR, join).len();
        let (first, rest) = values.split_at(values.len() / 3);
        let last = rest.get(rest.len() / 2..)?;
        let (before, after) = (median(first.to_vec())?, median(last.to_vec())?);
        Some(Self {
            over,
            hours,
            highest: quantile(values.clone(), 1.0)?,
            usual: quantile(values.clone(), 0.95)?,
            middle: median(values)?,
            grows: after > before * (1.0 + GROWS),
        })
    }

    /// The lower amount, where a day was seen and enough is saved.
    fn lowers(&self, now: f64, want: f64) -> Option<f64> {
        let day = self.over >= LOWERS_AFTER && self.hours >= HOURS;
        let saves = day && want < now * (1.0 - WORTH);
        saves.then(|| want.max(now / STEP))
    }
}

/// One value for each step of time.
fn by_step(points: &[(Time, f64)], step: Span, join: fn(&[f64]) -> f64) -> Vec<f64> {
    let mut slots: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (at, value) in points {
        slots.entry(at.0 / step.0).or_default().push(*value);
    }
    slots.values().map(|values| join(values)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn differs(next: f64, now: f64) -> bool {
    (next - now).abs() > now * 0.01
}

fn mib(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = (1 << 20) as f64;

    fn over(hours: u64, value: impl Fn(f64) -> f64) -> Vec<(Time, f64)> {
        (0..=100_u64)
            .map(|at| {
                let share = f64::from(u32::try_from(at).unwrap()) / 100.0;
                (Time(hours * 36_000 * at), value(share))
            })
            .collect()
    }

    fn memory(limit: f64, request: f64, used: Vec<(Time, f64)>) -> Given {
        let given = Given {
            memory_limit: Some(limit * MIB),
            memory_request: Some(request * MIB),
            ..Given::default()
        };
        let used = Used {
            memory: used,
            ..Used::default()
        };
        fit(&given, &used).give
    }

    fn in_mib(amount: Option<f64>) -> Option<u64> {
        amount.map(|bytes| (bytes / MIB).round() as u64)
    }

    #[test]
    fn much_too_much_is_halved_after_a_day_and_not_before() {
        let used = |hours| over(hours, |_| 100.0 * MIB);
        let given = memory(1000.0, 800.0, used(24));
        assert_eq!(in_mib(given.memory_limit), Some(500), "by half at most");
        assert_eq!(in_mib(given.memory_request), Some(400));
        assert_eq!(memory(1000.0, 800.0, used(12)), Given::default());
        let fits = memory(160.0, 120.0, used(24));
        assert_eq!(fits, Given::default());
    }

    #[test]
    fn what_is_close_to_its_limit_gets_more_soon() {
        let given = memory(100.0, 64.0, over(1, |_| 90.0 * MIB));
        assert_eq!(in_mib(given.memory_limit), Some(135));
        assert_eq!(in_mib(given.memory_request), Some(103));
    }

    #[test]
    fn a_day_with_a_hole_is_no_day_and_a_dense_hour_is_no_more_than_an_hour() {
        let day = over(24, |_| 100.0 * MIB);
        let holed: Vec<_> = day
            .iter()
            .filter(|(at, _)| at.0 < 3_600_000 || at.0 > 80_000_000)
            .copied()
            .collect();
        let holed: Vec<_> = holed.iter().chain(&holed).copied().collect();
        assert_eq!(memory(1000.0, 800.0, holed), Given::default());
        // Busy for a tenth of the day, and the quiet last hour is known a hundred times as densely.
        let given = Given {
            cpu_request: Some(1.0),
            ..Given::default()
        };
        let mut cores = over(24, |share| if share < 0.1 { 0.9 } else { 0.1 });
        let (last, _) = *cores.last().unwrap();
        cores.extend((1..2_000).map(|step| (Time(last.0 + step * 1_000), 0.1)));
        let used = Used {
            cores,
            ..Used::default()
        };
        assert_eq!(fit(&given, &used).give, Given::default());
    }

    #[test]
    fn a_leak_is_no_measure() {
        let leak = over(24, |share| (40.0 + 50.0 * share) * MIB);
        assert_eq!(memory(100.0, 64.0, leak), Given::default());
    }

    #[test]
    fn nothing_is_made_of_lies_and_gaps() {
        let lies = over(24, |share| if share > 0.5 { f64::NAN } else { MIB });
        assert_eq!(memory(100.0, 64.0, lies), Given::default());
        assert_eq!(memory(100.0, 64.0, over(24, |_| -1.0)), Given::default());
        assert_eq!(memory(100.0, 64.0, Vec::new()), Given::default());
    }

    #[test]
    fn cpu_that_is_held_back_gets_more_and_idle_cpu_is_given_back() {
        let given = Given {
            cpu_request: Some(1.0),
            cpu_limit: Some(1.0),
            ..Given::default()
        };
        let held = Used {
            throttled: over(1, |_| 0.4),
            cores: over(1, |_| 0.9),
            ..Used::default()
        };
        let fit_held = fit(&given, &held);
        assert_eq!(fit_held.give.cpu_limit, Some(1.5));
        assert_eq!(fit_held.give.cpu_request, None);
        let idle = Used {
            throttled: over(24, |_| 0.0),
            cores: over(24, |share| if share > 0.99 { 0.9 } else { 0.2 }),
            ..Used::default()
        };
        let fit_idle = fit(&given, &idle);
        assert_eq!(
            fit_idle.give.cpu_limit, None,
            "a limit that is not reached costs nothing"
        );
        assert_eq!(fit_idle.give.cpu_request, Some(0.5));
        assert_eq!(fit_idle.why.len(), 1);
    }
}
