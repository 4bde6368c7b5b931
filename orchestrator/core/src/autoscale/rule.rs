//! The rule itself: what each target wants, then what is allowed of that.

use super::{
    Hold, IDLE_AFTER, LATENCY_EASY, Recommendation, STEP_AT_LEAST, Sight, Standing, TOLERANCE,
    Want, load::Stretch, tuning,
};
use crate::{
    signal::SignalKind,
    spec::Target,
    time::{Span, Time},
};

/// Says how many instances there should be. The same sight gives the same answer.
#[must_use]
pub fn recommend(sight: &Sight) -> Recommendation {
    let tuned = sight.tuning.filter(|tuning| tuning.holds(sight.now));
    let targets = tuning::targets(sight.scaling, tuned);
    let floor = tuned.and_then(|tuning| tuning.floor(sight.now));
    let views: Vec<View> = targets
        .iter()
        .map(|target| View::of(sight, target))
        .collect();
    let mut wants: Vec<Want> = views.iter().filter_map(View::want).collect();
    if let Some(floor) = floor {
        wants.push(Want::Floor {
            until: floor.until,
            replicas: floor.replicas,
        });
    }
    let floor = floor.map_or(0, |floor| floor.replicas);
    let (replicas, held, cools) = decide(sight, &views, floor);
    let turns = tuned.and_then(|tuning| tuning.turns_at(sight.now));
    Recommendation {
        replicas,
        wants,
        held,
        cpu: None,
        again_at: turns.into_iter().chain(cools).min(),
    }
}

/// What one target sees.
struct View {
    target: Target,
    /// What one instance should carry, in the signal's unit.
    each: f64,
    /// The load that growing goes by; `None` while unknown or stale.
    now: Option<f64>,
    /// Instances that the load of now wants.
    up: Option<u32>,
    /// Instances that the long window's peak wants; `None` where that is not known for sure.
    down: Option<u32>,
    stale: bool,
    /// No load at all for as long as shrinking to zero asks.
    idle: bool,
}

impl View {
    fn of(sight: &Sight, target: &Target) -> Self {
        let (up, down) = (sight.scaling.up.window, sight.scaling.down.window);
        let stretch = |span: Span| Stretch::of(sight.load, target.signal(), span, sight.now);
        let (short, long) = (stretch(up), stretch(down));
        let stale = short.is_stale();
        let each = carries(sight, target).unwrap_or(f64::INFINITY);
        let idle = sight.scaling.to_zero_after.is_some_and(|after| {
            let long = stretch(after);
            long.is_whole() && long.peak().is_some_and(|peak| peak <= f64::EPSILON)
        });
        // No CPU at all is how a counter looks that began anew, until it has been so for long.
        let nothing = target.signal() == SignalKind::CpuCores && long.has_nothing();
        let doubtful = nothing && !idle && !stretch(IDLE_AFTER).is_idle();
        let whole = long.is_whole() && !doubtful;
        let mut view = Self {
            target: *target,
            each,
            now: None,
            up: None,
            down: None,
            stale,
            idle,
        };
        if stale || !each.is_finite() || each <= 0.0 {
            return view;
        }
        if let Target::Latency { .. } = target {
            view.latency(sight, &short, whole.then(|| long.peak()).flatten());
            return view;
        }
        view.now = short.median(None);
        view.up = view.now.map(|load| instances(load, each));
        view.down = long
            .peak()
            .filter(|_| whole)
            .map(|load| instances(load, each));
        view
    }

    /// Latency says that there are too few, not how many: a quarter more, and then what came of it
    /// is waited for. It never asks for fewer; it only agrees while it is easily met.
    fn latency(&mut self, sight: &Sight, short: &Stretch, peak: Option<f64>) {
        self.now = short.median(scaled_at(sight));
        self.up = self.now.map(|latency| {
            let more = sight.replicas.div_ceil(4).max(1);
            if latency > self.each * (1.0 + TOLERANCE) {
                sight.replicas.saturating_add(more)
            } else {
                0
            }
        });
        self.down = peak
            .filter(|peak| *peak <= self.each * LATENCY_EASY)
            .map(|_| 0);
    }

    fn is_latency(&self) -> bool {
        matches!(self.target, Target::Latency { .. })
    }

    fn want(&self) -> Option<Want> {
        Some(Want::Target {
            signal: self.target.signal(),
            load: self.now?,
            each: self.each,
            replicas: self.up?,
        })
    }
}

/// What one instance should carry; `None` where that cannot be said.
fn carries(sight: &Sight, target: &Target) -> Option<f64> {
    match *target {
        Target::Cpu { percent } => {
            let request = sight.cpu_request.filter(|cpu| cpu.0 > 0)?;
            Some(request.as_cores() * percent / 100.0)
        }
        Target::RequestRate { per_instance } | Target::QueueDepth { per_instance } => {
            Some(per_instance)
        }
        Target::Latency { under } => Some(under.as_secs_f64()),
    }
}

/// Instances for a load, rounded up; as many as fit the type where the load is absurd.
fn instances(load: f64, each: f64) -> u32 {
    // Sums of rates are not exact: 3.0000000001 instances are three.
    whole((load / each - 1e-9).ceil())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded just before"
)]
fn whole(amount: f64) -> u32 {
    amount.clamp(0.0, f64::from(u32::MAX)) as u32
}

/// The number, what held it back, and when that ends.
fn decide(sight: &Sight, views: &[View], floor: u32) -> (u32, Option<Hold>, Option<Time>) {
    let stay = |hold| (sight.replicas, Some(hold), None);
    let bounds = sight.bounds;
    if !(bounds.min..=bounds.max).contains(&sight.replicas) {
        return (sight.replicas.clamp(bounds.min, bounds.max), None, None);
    }
    if sight.replicas == 0 && sight.scaling.to_zero_after.is_none() && floor == 0 {
        return stay(Hold::Off);
    }
    let loads = views.iter().filter_map(|view| view.up).max().unwrap_or(0);
    let up = loads.max(floor).min(bounds.max);
    if up > sight.replicas && (floor > sight.replicas || is_beyond(sight, views)) {
        return grow(sight, up, floor);
    }
    if views.is_empty() || views.iter().all(|view| view.now.is_none()) {
        let stale = views.iter().any(|view| view.stale && sight.load.is_some());
        return stay(if stale { Hold::Stale } else { Hold::NoSignal });
    }
    shrink(sight, views, floor)
}

/// Whether some load is further above what is there than the band that is left alone.
fn is_beyond(sight: &Sight, views: &[View]) -> bool {
    let most = f64::from(sight.replicas) * (1.0 + TOLERANCE);
    views.iter().any(|view| {
        let wants_more = view.up.is_some_and(|up| up > sight.replicas);
        let far = view.now.is_some_and(|load| load > most * view.each);
        wants_more && (view.is_latency() || far)
    })
}

/// As far up as one change may go. A floor was thought over by whoever set it: it is not bounded
/// by the factor, only by the service's bounds.
fn grow(sight: &Sight, up: u32, floor: u32) -> (u32, Option<Hold>, Option<Time>) {
    if sight.standing == Standing::NoRoom {
        return (sight.replicas, Some(Hold::NoRoom), None);
    }
    if let Some(until) = cooling(sight, sight.scaling.up.every) {
        let hold = Hold::Cooling { until };
        return (sight.replicas, Some(hold), Some(until));
    }
    let factor = whole((f64::from(sight.replicas) * sight.scaling.up.factor).floor());
    let most = factor.max(sight.replicas.saturating_add(STEP_AT_LEAST));
    let floor = floor.min(sight.bounds.max);
    (up.min(most).max(floor.min(up)), None, None)
}

/// As far down as every target agrees, nothing moves, and one change may go.
fn shrink(sight: &Sight, views: &[View], floor: u32) -> (u32, Option<Hold>, Option<Time>) {
    let stay = |hold| (sight.replicas, hold, None);
    if let Some(hold) = unsure(views) {
        // Only worth a word where the load of now would want fewer.
        let now = views.iter().filter_map(|view| view.up).max().unwrap_or(0);
        let fewer = now.max(floor).max(sight.bounds.min) < sight.replicas;
        return stay(fewer.then_some(hold));
    }
    let lowest = lowest(sight, views).max(floor).max(sight.bounds.min);
    if !is_below(sight, views, lowest) {
        return stay(None);
    }
    if sight.standing != Standing::Steady || sight.ready < sight.replicas {
        return stay(Some(Hold::Unready));
    }
    if let Some(until) = cooling(sight, sight.scaling.down.every) {
        return (sight.replicas, Some(Hold::Cooling { until }), Some(until));
    }
    let least = whole((f64::from(sight.replicas) / sight.scaling.down.factor).ceil());
    (
        lowest.max(least.min(sight.replicas.saturating_sub(1))),
        None,
        None,
    )
}

/// Why the long window says nothing for sure, if so: latency was close to its bound, or what was seen
/// has holes.
fn unsure(views: &[View]) -> Option<Hold> {
    let mut open = views.iter().filter(|view| view.down.is_none()).peekable();
    open.peek()?;
    let latency = open.all(|view| view.is_latency() && view.now.is_some());
    Some(if latency { Hold::Latency } else { Hold::Unsure })
}

/// The fewest instances that every target agrees to; zero only after a long quiet.
fn lowest(sight: &Sight, views: &[View]) -> u32 {
    let wanted = views.iter().filter_map(|view| view.down).max().unwrap_or(0);
    let mut counted = views.iter().filter(|view| !view.is_latency());
    let may_sleep = sight.scaling.to_zero_after.is_some() && counted.all(|view| view.idle);
    if may_sleep { wanted } else { wanted.max(1) }
}

/// Whether all loads are further below what is there than the band that is left alone.
fn is_below(sight: &Sight, views: &[View], lowest: u32) -> bool {
    let least = f64::from(sight.replicas) * (1.0 - TOLERANCE);
    let far =
        |view: &View| view.is_latency() || view.down.is_some_and(|down| f64::from(down) <= least);
    lowest < sight.replicas && views.iter().all(far)
}

fn scaled_at(sight: &Sight) -> Option<Time> {
    sight.load.and_then(|load| load.scaled_at)
}

fn cooling(sight: &Sight, every: Span) -> Option<Time> {
    // A last change that lies ahead means that the clock jumped back: it counts as long ago.
    let last = scaled_at(sight).filter(|at| *at <= sight.now)?;
    let until = last + every;
    (until > sight.now).then_some(until)
}
