//! The autoscaling rule: what it follows, and everything that must not move it.

use ostler_core::{
    autoscale::{Floor, Hold, Load, Recommendation, Sample, Sight, Standing, Tuning, recommend},
    signal::SignalKind,
    spec::{Pace, Replicas, Scaling, Target},
    time::{Span, Time},
    units::MilliCpu,
};
use proptest::prelude::*;

const NOW: Time = Time(10_000_000);
const BOUNDS: Replicas = Replicas { min: 1, max: 20 };

/// A service of `replicas` instances that should carry 100 requests per second each.
struct Case {
    scaling: Scaling,
    tuning: Option<Tuning>,
    bounds: Replicas,
    replicas: u32,
    ready: u32,
    standing: Standing,
    load: Load,
    now: Time,
}

impl Case {
    fn rate(replicas: u32, series: &[f64]) -> Self {
        let mut case = Self::of(
            Target::RequestRate {
                per_instance: 100.0,
            },
            replicas,
        );
        case.load
            .signals
            .insert(SignalKind::RequestRate, samples(series, replicas));
        case
    }

    fn of(target: Target, replicas: u32) -> Self {
        Self {
            scaling: Scaling {
                targets: vec![target],
                ..Scaling::default()
            },
            tuning: None,
            bounds: BOUNDS,
            replicas,
            ready: replicas,
            standing: Standing::Steady,
            load: Load::default(),
            now: NOW,
        }
    }

    fn ask(&self) -> Recommendation {
        recommend(&Sight {
            scaling: &self.scaling,
            tuning: self.tuning.as_ref(),
            bounds: self.bounds,
            cpu_request: Some(MilliCpu(500)),
            replicas: self.replicas,
            ready: self.ready,
            standing: self.standing,
            load: Some(&self.load),
            now: self.now,
        })
    }

    fn wants(&self, replicas: u32) {
        let answer = self.ask();
        assert_eq!(answer.replicas, replicas, "{answer:?}");
    }

    fn holds(&self, hold: Hold) {
        let answer = self.ask();
        assert_eq!(answer.replicas, self.replicas, "{answer:?}");
        assert_eq!(answer.held, Some(hold), "{answer:?}");
    }

    fn samples(&mut self) -> &mut Vec<Sample> {
        self.load.signals.values_mut().next().unwrap()
    }
}

/// One sample every five seconds, the last one now.
fn samples(series: &[f64], told: u32) -> Vec<Sample> {
    let count = series.len() as u64;
    let at = |index: usize| NOW - Span::seconds(5 * (count - 1 - index as u64));
    series
        .iter()
        .enumerate()
        .map(|(index, total)| Sample {
            at: at(index),
            total: *total,
            reporting: told,
            expected: told,
        })
        .collect()
}

/// Six minutes of the same load.
fn steady(load: f64) -> Vec<f64> {
    vec![load; 73]
}

/// Six minutes of one load, with another at the end.
fn then(load: f64, last: &[f64]) -> Vec<f64> {
    let mut series = steady(load);
    let start = series.len() - last.len();
    series[start..].copy_from_slice(last);
    series
}

#[test]
fn it_follows_the_load_up_and_down() {
    Case::rate(4, &steady(400.0)).wants(4);
    Case::rate(4, &then(400.0, &[620.0; 6])).wants(7);
    Case::rate(8, &steady(420.0)).wants(5);
}

#[test]
fn a_tenth_above_or_below_is_left_alone() {
    Case::rate(4, &steady(439.0)).wants(4);
    Case::rate(4, &steady(441.0)).wants(5);
    Case::rate(10, &steady(895.0)).wants(9);
    Case::rate(10, &steady(905.0)).wants(10);
}

#[test]
fn one_change_is_bounded_and_the_next_waits() {
    Case::rate(6, &then(600.0, &[9_000.0; 6])).wants(12);
    Case::rate(2, &then(200.0, &[9_000.0; 6])).wants(6);
    Case::rate(16, &steady(100.0)).wants(8);
    let mut case = Case::rate(6, &then(600.0, &[9_000.0; 6]));
    case.load.scaled_at = Some(NOW - Span::seconds(10));
    case.holds(Hold::Cooling {
        until: NOW + Span::seconds(5),
    });
    case.load.scaled_at = Some(NOW + Span::minutes(60));
    case.wants(12);
}

#[test]
fn the_bounds_hold_whatever_is_asked_for() {
    Case::rate(15, &then(1_500.0, &[1e9; 6])).wants(20);
    let mut case = Case::rate(5, &steady(0.0));
    case.bounds.min = 4;
    case.wants(4);
    case.replicas = 30;
    case.wants(20);
}

#[test]
fn a_short_dip_shrinks_nothing_and_a_short_spike_grows_nothing() {
    Case::rate(4, &then(400.0, &[10.0; 50])).wants(4);
    Case::rate(4, &then(400.0, &[400.0, 9_000.0, 9_000.0])).wants(4);
}

#[test]
fn not_a_number_negative_and_infinite_are_no_load() {
    for nonsense in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5.0] {
        Case::rate(4, &then(400.0, &[nonsense; 3])).wants(4);
        Case::rate(4, &steady(nonsense)).holds(Hold::Stale);
    }
}

#[test]
fn a_counter_that_was_reset_shrinks_nothing() {
    Case::rate(6, &then(600.0, &[-600.0, 0.0, 0.0])).wants(6);
}

#[test]
fn a_spike_of_a_billion_grows_nothing() {
    Case::rate(4, &then(400.0, &[1e9])).wants(4);
    Case::rate(4, &then(400.0, &[1e9, 400.0, 1e9, 400.0, 400.0])).wants(4);
}

#[test]
fn samples_from_the_future_and_a_clock_that_went_back_move_nothing() {
    let mut case = Case::rate(4, &then(400.0, &[0.0; 6]));
    for sample in case.samples().iter_mut().rev().take(6) {
        sample.at = sample.at + Span::minutes(60);
    }
    case.wants(4);
    let mut case = Case::rate(4, &steady(0.0));
    case.now = NOW - Span::minutes(60);
    case.holds(Hold::Stale);
}

#[test]
fn a_source_that_is_cut_off_shrinks_and_grows_nothing() {
    let mut case = Case::rate(4, &steady(0.0));
    case.now = NOW + Span::seconds(31);
    case.holds(Hold::Stale);
    let mut case = Case::rate(4, &steady(9_000.0));
    case.now = NOW + Span::seconds(31);
    case.holds(Hold::Stale);
    Case::of(Target::RequestRate { per_instance: 1.0 }, 4).holds(Hold::Stale);
}

#[test]
fn a_gap_or_a_silent_instance_shrinks_nothing() {
    let mut case = Case::rate(4, &steady(100.0));
    case.samples().drain(20..40);
    case.holds(Hold::Unsure);
    let mut case = Case::rate(4, &steady(100.0));
    case.samples()[60].reporting = 3;
    case.holds(Hold::Unsure);
    let mut case = Case::rate(4, &vec![100.0; 30]);
    case.holds(Hold::Unsure);
    case.samples()[29].reporting = 3;
    case.holds(Hold::Unsure);
}

#[test]
fn objectives_that_contradict_each_other_stay_inside_the_bounds() {
    let mut case = Case::rate(4, &steady(400.0));
    case.scaling
        .targets
        .push(Target::Latency { under: Span(1) });
    case.load
        .signals
        .insert(SignalKind::LatencyP99, samples(&steady(0.9), 4));
    case.wants(5);
    case.replicas = 20;
    case.ready = 20;
    case.wants(20);
}

#[test]
fn latency_grows_by_a_quarter_and_waits_for_what_came_of_it() {
    let mut case = Case::of(Target::Latency { under: Span(200) }, 8);
    let signals = &mut case.load.signals;
    signals.insert(SignalKind::LatencyP99, samples(&steady(0.4), 8));
    case.wants(10);
    case.load.scaled_at = Some(NOW - Span::seconds(5));
    case.holds(Hold::NoSignal);
}

#[test]
fn latency_near_its_bound_lets_nothing_shrink() {
    let mut case = Case::rate(8, &steady(100.0));
    case.scaling
        .targets
        .push(Target::Latency { under: Span(200) });
    case.load
        .signals
        .insert(SignalKind::LatencyP99, samples(&steady(0.19), 8));
    case.holds(Hold::Latency);
    case.load
        .signals
        .insert(SignalKind::LatencyP99, samples(&steady(0.1), 8));
    case.wants(4);
}

#[test]
fn with_no_room_nothing_grows_and_while_things_move_nothing_shrinks() {
    let mut case = Case::rate(4, &then(400.0, &[900.0; 6]));
    case.standing = Standing::NoRoom;
    case.holds(Hold::NoRoom);
    case.standing = Standing::Moving;
    case.wants(8);
    let mut case = Case::rate(8, &steady(100.0));
    case.standing = Standing::Moving;
    case.holds(Hold::Unready);
    case.standing = Standing::Steady;
    case.ready = 7;
    case.holds(Hold::Unready);
}

#[test]
fn cpu_is_a_share_of_what_is_reserved() {
    let mut case = Case::of(Target::Cpu { percent: 60.0 }, 2);
    let signals = &mut case.load.signals;
    signals.insert(SignalKind::CpuCores, samples(&steady(0.9), 2));
    case.wants(3);
}

#[test]
fn zero_only_where_asked_for_and_after_a_long_quiet() {
    let mut case = Case::rate(2, &vec![0.0; 130]);
    case.bounds.min = 0;
    case.wants(1);
    case.scaling.to_zero_after = Some(Span::minutes(10));
    case.wants(1);
    (case.replicas, case.ready) = (1, 1);
    case.wants(0);
    case.samples()[20].total = 0.5;
    case.wants(1);
    case.replicas = 0;
    case.samples()
        .iter_mut()
        .rev()
        .take(6)
        .for_each(|sample| sample.total = 3.0);
    case.wants(1);
    case.scaling.to_zero_after = None;
    case.holds(Hold::Off);
}

#[test]
fn floors_hold_ahead_of_a_peak_and_end() {
    let mut case = Case::rate(4, &steady(400.0));
    case.tuning = Some(Tuning {
        targets: Vec::new(),
        floors: vec![Floor {
            from: NOW,
            until: NOW + Span::minutes(10),
            replicas: 12,
        }],
        until: NOW + Span::minutes(60),
    });
    case.wants(12);
    (case.replicas, case.ready) = (12, 12);
    case.wants(12);
    let quiet: Vec<Sample> = samples(&steady(400.0), 12);
    for sample in quiet {
        let at = sample.at + Span::minutes(10);
        case.samples().push(Sample { at, ..sample });
    }
    case.now = NOW + Span::minutes(10);
    case.wants(6);
}

#[test]
fn a_tuned_target_takes_the_place_of_the_specs_until_it_ends() {
    let mut case = Case::rate(4, &steady(400.0));
    case.tuning = Some(Tuning {
        targets: vec![Target::RequestRate { per_instance: 50.0 }],
        floors: Vec::new(),
        until: NOW + Span(1),
    });
    case.wants(8);
    case.now = NOW + Span(1);
    case.wants(4);
}

proptest! {
    /// Whatever the samples: inside the bounds, and never fewer on what is not whole.
    #[test]
    fn never_outside_the_bounds_and_never_fewer_on_holes(
        totals in proptest::collection::vec(
            prop_oneof![Just(f64::NAN), Just(-1.0), Just(1e12), 0.0..3_000.0f64], 0..90),
        told in 0u32..6,
        replicas in 1u32..20,
        moved in proptest::option::of(0u64..20_000_000),
        late in 0u64..200_000,
    ) {
        let mut case = Case::rate(replicas, &totals);
        let whole = totals.iter().all(|total| total.is_finite() && *total >= 0.0);
        for sample in case.samples() {
            sample.reporting = told.min(sample.expected);
        }
        case.load.scaled_at = moved.map(Time);
        case.now = NOW + Span(late);
        let answer = case.ask();
        prop_assert!((1..=20).contains(&answer.replicas));
        if told < replicas || late > 30_000 || !whole && totals.len() < 60 {
            prop_assert!(answer.replicas >= replicas, "{:?}", answer);
        }
        prop_assert!(answer.replicas <= (replicas * 2).max(replicas + 4));
    }

    /// Following one's own answers under the same load ends, and does not swing.
    #[test]
    fn under_the_same_load_it_comes_to_rest(load in 0.0..1_900.0f64, from in 1u32..20) {
        let mut case = Case::rate(from, &steady(load));
        let mut turns = Vec::new();
        for _ in 0..20 {
            let next = case.ask().replicas;
            turns.push(next.cmp(&case.replicas));
            (case.replicas, case.ready) = (next, next);
            case.load.signals.insert(SignalKind::RequestRate, samples(&steady(load), next));
        }
        prop_assert!(turns.last() == Some(&std::cmp::Ordering::Equal));
        turns.retain(|turn| turn.is_ne());
        turns.dedup();
        prop_assert!(turns.len() <= 1, "{:?}", turns);
        let each = load / f64::from(case.replicas);
        prop_assert!(each <= 110.0 + 1e-6, "{each} each on {}", case.replicas);
    }
}

#[test]
fn paces_are_what_the_docs_say() {
    assert_eq!(Pace::up().window, Span::seconds(30));
    assert_eq!(Pace::down().window, Span::minutes(5));
}
