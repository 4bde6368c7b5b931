//! CPU that follows the load in place: how much is needed, who gets it, and everything that must not move it.

use ostler_core::{
    autoscale::{
        Load, Sample,
        size::{self, Need},
    },
    check::check,
    plan::Plan,
    signal::SignalKind,
    spec::{Amounts, FollowCpu, Resources},
    step::Step,
    time::Span,
    units::MilliCpu,
};
use proptest::prelude::*;

use crate::{
    common::{applying, intent, key},
    reconcile::{Fleet, NOW, ended, exit},
};

const FOLLOW: FollowCpu = FollowCpu {
    min: MilliCpu(100),
    max: MilliCpu(4_000),
    percent: 80.0,
};
const FOLLOWS: &str = "image: a:1\nreplicas: {min: 3, max: 9}\nresources: {requests: {cpu: 1}, limits: {cpu: 2}}\nscaling: {cpu: {min: 100m, max: 4}}";
const STAYS: &str =
    "image: a:1\nreplicas: {min: 3, max: 9}\nresources: {requests: {cpu: 1}, limits: {cpu: 2}}";

/// One sample every five seconds, the last one now; nothing where the number is none.
fn load(series: &[f64]) -> Load {
    let count = series.len() as u64;
    let sample = |(index, total): (usize, &f64)| Sample {
        at: NOW - Span::seconds(5 * (count - 1 - index as u64)),
        total: *total,
        reporting: 3,
        expected: 3,
    };
    let all = series
        .iter()
        .enumerate()
        .filter(|(_, total)| !total.is_nan());
    let samples = all.map(sample).collect();
    let mut load = Load::default();
    load.signals.insert(SignalKind::CpuCores, samples);
    load
}

/// Twenty-five minutes of the same, with something else at the end.
fn then(cores: f64, last: &[f64]) -> Load {
    let mut series = vec![cores; 300];
    series.extend(last);
    load(&series)
}

fn need(load: &Load) -> Need {
    size::need(&FOLLOW, MilliCpu(12_000), Some(load), NOW).unwrap()
}

/// What is needed for four CPUs in use that never surprised: the least margin, and a fifth kept free.
const CALM: f64 = 4.0 * 1.05 / 0.8;

#[track_caller]
fn is_about(need: Need, cores: f64) {
    assert!(
        (need.cores / cores - 1.0).abs() < 0.01,
        "{need:?}, not {cores}"
    );
}

#[test]
fn a_calm_load_leaves_a_little_more_than_is_asked_for() {
    let calm = need(&then(4.0, &[]));
    is_about(calm, CALM);
    assert!(calm.sure);
}

#[test]
fn a_rise_is_met_where_it_leads_and_a_fall_after_a_minute() {
    let rising = need(&then(4.0, &[4.4, 4.8, 5.2, 5.6, 6.0]));
    assert!(rising.cores > 6.0 * 1.05 / 0.8, "{rising:?}");
    is_about(need(&then(4.0, &[2.0; 8])), CALM);
    assert!(need(&then(4.0, &[2.0; 14])).cores < CALM * 0.6);
}

#[test]
fn who_surprised_before_gets_more() {
    let wild: Vec<f64> = (0..240)
        .map(|step| if step % 10 == 0 { 5.6 } else { 4.0 })
        .collect();
    let wild = need(&then(4.0, &wild));
    assert!(wild.cores > CALM * 1.3, "{wild:?}");
}

#[test]
fn who_uses_all_that_it_has_may_need_more_than_can_be_seen() {
    let full = size::need(&FOLLOW, MilliCpu(4_000), Some(&then(4.0, &[])), NOW).unwrap();
    is_about(full, CALM);
    let stuck = size::need(&FOLLOW, MilliCpu(6_000), Some(&then(2.0, &[5.9])), NOW).unwrap();
    assert!(stuck.cores >= 7.4, "{stuck:?}");
}

#[test]
fn while_nothing_new_comes_the_guess_widens_and_nothing_shrinks() {
    let blind = |seconds: usize| need(&then(4.0, &vec![f64::NAN; seconds / 5]));
    is_about(blind(10), CALM);
    let (half, long) = (blind(30), blind(120));
    assert!(half.cores > CALM * 1.1 && long.cores > half.cores);
    assert!(long.cores < CALM * 1.31, "not without end: {long:?}");
    assert!(!long.sure);
    let lost = then(4.0, &vec![f64::NAN; 61]);
    assert_eq!(
        size::need(&FOLLOW, MilliCpu(12_000), Some(&lost), NOW),
        None
    );
    assert_eq!(size::need(&FOLLOW, MilliCpu(12_000), None, NOW), None);
}

#[test]
fn what_cannot_be_true_moves_nothing() {
    for wild in [1e9, -1.0, f64::INFINITY] {
        is_about(need(&then(4.0, &[wild])), CALM);
        is_about(need(&then(4.0, &[4.0, wild, wild, 4.0])), CALM);
    }
    // A counter that began anew looks like nothing at all, and so does who is idle: that takes longer to believe.
    let nothing = |seconds: usize| {
        let load = then(4.0, &vec![0.0; seconds / 5]);
        size::need(&FOLLOW, MilliCpu(12_000), Some(&load), NOW)
    };
    assert_eq!((nothing(5), nothing(840)), (None, None));
    let idle = nothing(960).unwrap();
    assert!(idle.sure && idle.cores <= 0.0, "{idle:?}");
    // What burst a while ago may do so again: nothing is taken meanwhile.
    let bursts = need(&then(0.5, &[4.0, 4.0, 0.5, 0.5, 0.5]));
    assert!(!bursts.sure, "{bursts:?}");
    assert!(need(&then(4.0, &[4.0; 5])).sure);
    // What is five times as much for long enough is so.
    assert!(need(&then(1.0, &[5.0; 3])).cores > 5.0);
}

#[test]
fn one_reading_after_a_hole_takes_nothing() {
    let mut hole = vec![f64::NAN; 14];
    hole.push(1.5);
    assert!(!need(&then(4.0, &hole)).sure);
    hole.extend([1.5; 13]);
    assert!(need(&then(4.0, &hole)).sure);
}

#[test]
fn instances_share_and_what_is_near_enough_stays() {
    let need = Need {
        cores: 6.0,
        sure: true,
    };
    let each = |many: f64, has| need.each(&FOLLOW, 1.0 / many, MilliCpu(has)).0;
    assert_eq!((each(3.0, 1_000), each(2.0, 2_000)), (2_000, 3_000));
    assert_eq!(each(1.0, 2_000), 4_000, "no more than the most");
    assert_eq!(each(100.0, 2_000), 100, "no less than the least");
    assert_eq!(each(3.0, 2_050), 2_050, "a fortieth is not worth it");
    let unsure = Need {
        sure: false,
        ..need
    };
    assert_eq!(unsure.each(&FOLLOW, 1.0 / 3.0, MilliCpu(3_000)).0, 3_000);
    assert_eq!(unsure.each(&FOLLOW, 1.0 / 3.0, MilliCpu(1_000)).0, 2_000);
}

#[test]
fn a_limit_keeps_its_proportion_to_what_is_reserved() {
    let amounts = |cpu| Amounts {
        cpu: Some(MilliCpu(cpu)),
        ..Amounts::default()
    };
    let resources = Resources {
        requests: amounts(1_000),
        limits: amounts(2_000),
    };
    let sized = resources.with_cpu(MilliCpu(1_500));
    assert_eq!(
        (sized.requests, sized.limits),
        (amounts(1_500), amounts(3_000))
    );
}

/// Three that run for long with a CPU each, and use so many in all.
fn fleet(yaml: &str, cores: f64) -> Fleet {
    let mut fleet = Fleet::new(intent(&[("web", yaml)])).routed("web", &["a", "b", "c"]);
    for id in ["a", "b", "c"] {
        fleet = fleet
            .ready("web", id, 1)
            .edit(id, |seen| seen.cpu = MilliCpu(1_000));
    }
    fleet.observed.load.insert(key("web"), then(cores, &[]));
    fleet
}

/// Who gets how much, of a plan that breaks no invariant.
fn given(fleet: &Fleet) -> Vec<(String, u64)> {
    let plan = fleet.plan();
    assert_eq!(check(&fleet.intent, &fleet.observed, &plan), []);
    follows(&plan)
}

fn follows(plan: &Plan) -> Vec<(String, u64)> {
    let given = plan.steps.iter().filter_map(|step| match step {
        Step::Follow { instance, cpu } => Some((instance.to_string(), cpu.0)),
        _ => None,
    });
    given.collect()
}

fn of(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter()
        .map(|(id, cpu)| ((*id).to_owned(), *cpu))
        .collect()
}

#[test]
fn everyone_gets_a_share_and_what_is_needed_is_told() {
    let less = fleet(FOLLOWS, 1.2);
    assert_eq!(given(&less), of(&[("a", 530), ("b", 530), ("c", 530)]));
    let told = &less.plan().scaling[&key("web")];
    assert!(
        told.cpu
            .is_some_and(|need| need.sure && (need.cores - 1.575).abs() < 0.01),
        "{told:?}"
    );
    assert_eq!(given(&fleet(FOLLOWS, 2.25)), []);
    assert_eq!(given(&fleet(STAYS, 1.2)), []);
}

#[test]
fn the_share_of_one_that_died_goes_to_the_others_at_once() {
    let died = fleet(FOLLOWS, 2.25).edit("b", ended(vec![exit(137, 1)]));
    assert_eq!(given(&died), of(&[("a", 1_480), ("c", 1_480)]));
    // Back, but cold: it counts as half.
    let cold =
        fleet(FOLLOWS, 2.25).edit("b", |seen| seen.started_at = Some(NOW - Span::seconds(20)));
    assert_eq!(
        given(&cold),
        of(&[("a", 1_190), ("b", 1_190), ("c", 1_190)])
    );
    assert!(
        cold.plan()
            .wake_at
            .is_some_and(|at| at <= NOW + Span::seconds(40))
    );
}

/// Three of the last good version and one of a new one, which has a tenth of the requests.
fn canary(port: &str) -> Fleet {
    let canary = "update: {strategy: {canary: {steps: [{share: 25%, weight: 10%, bake: 10m}]}}}";
    let four = FOLLOWS.replace("min: 3", "min: 4");
    let yaml = format!("{four}\nports: [{{name: http, port: 80, publish: 8080{port}}}]\n{canary}");
    let new = applying("web", &yaml.replace("a:1", "a:2"));
    let mut fleet = fleet(&yaml, 4.0)
        .change(&new)
        .ready("web", "d", 2)
        .edit("d", |seen| seen.cpu = MilliCpu(1_000))
        .routed("web", &["a", "b", "c", "d"]);
    for node in fleet.observed.nodes.values_mut() {
        node.cpu = MilliCpu(16_000);
    }
    fleet
}

#[test]
fn who_bears_more_of_the_traffic_gets_more() {
    let weighed = canary(", appProtocol: http");
    let most = [("a", 1_580), ("b", 1_580), ("c", 1_580), ("d", 1_320)];
    assert_eq!(given(&weighed), of(&most), "and nobody less than evenly");
    let even = canary("");
    let all = [("a", 1_320), ("b", 1_320), ("c", 1_320), ("d", 1_320)];
    assert_eq!(given(&even), of(&all), "connections know no weight");
    // The share of one that died goes to its own version; of the last of a version, to the other.
    let died = canary(", appProtocol: http").edit("b", ended(vec![exit(137, 1)]));
    let others = [("a", 2_370), ("c", 2_370), ("d", 1_750)];
    assert_eq!(given(&died), of(&others));
    let died = canary(", appProtocol: http").edit("d", ended(vec![exit(137, 1)]));
    let others = [("a", 1_750), ("b", 1_750), ("c", 1_750)];
    assert_eq!(given(&died), of(&others));
}

#[test]
fn nobody_gets_more_than_its_node_has() {
    let mut crowded = fleet(FOLLOWS, 2.9);
    assert_eq!(given(&crowded).len(), 3);
    for node in crowded.observed.nodes.values_mut() {
        node.cpu = MilliCpu(3_400);
    }
    let all = given(&crowded);
    assert_eq!(
        all,
        of(&[("a", 1_270), ("b", 1_130)]),
        "as far as there is room"
    );
}

#[test]
fn bounds_that_moved_hold_though_nothing_is_known() {
    let mut narrow = fleet(FOLLOWS, 1.0).edit("a", |seen| seen.cpu = MilliCpu(4_500));
    narrow.observed.load.clear();
    for node in narrow.observed.nodes.values_mut() {
        node.cpu = MilliCpu(8_000);
    }
    assert_eq!(given(&narrow), of(&[("a", 4_000)]));
}

#[test]
fn nothing_shrinks_while_instances_are_replaced() {
    let mut moving = fleet(FOLLOWS, 1.2);
    moving.intent.services.get_mut(&key("web")).unwrap().settled = false;
    assert_eq!(given(&moving), []);
}

#[test]
fn what_is_not_to_follow_any_more_has_again_what_its_manifest_says() {
    let left = fleet(STAYS, 1.2).edit("a", |seen| seen.cpu = MilliCpu(530));
    assert_eq!(given(&left), of(&[("a", 1_000)]));
}

#[test]
fn a_plan_that_gives_what_it_must_not_is_found_out() {
    let broken = |fleet: &Fleet, id: &str, cpu| {
        let plan = Plan {
            steps: vec![Step::Follow {
                instance: id.parse().unwrap(),
                cpu: MilliCpu(cpu),
            }],
            ..Plan::default()
        };
        let found = check(&fleet.intent, &fleet.observed, &plan);
        found.iter().map(|one| one.number).collect::<Vec<_>>()
    };
    let good = fleet(FOLLOWS, 1.2);
    assert!(broken(&good, "a", 530).is_empty());
    assert_eq!(broken(&good, "a", 4_010), [14, 6], "more than the most");
    assert_eq!(broken(&good, "a", 90), [14], "less than the least");
    assert_eq!(broken(&good, "z", 530), [14], "not there");
    assert_eq!(
        broken(&fleet(STAYS, 1.2), "a", 530),
        [14],
        "it does not follow"
    );
    let down = fleet(FOLLOWS, 1.2).edit("a", ended(vec![exit(1, 1)]));
    assert_eq!(broken(&down, "a", 530), [14], "it does not run");
}

proptest! {
    /// Whatever is measured, a plan is sound, stays within the bounds, and asked again when it is carried out asks
    /// for nothing more.
    #[test]
    fn whatever_is_measured_the_bounds_hold_and_it_comes_to_rest(
        series in prop::collection::vec(prop_oneof![8 => 0.0..20.0_f64, 1 => Just(f64::NAN), 1 => Just(1e12), 1 => Just(-3.0)], 0..300),
        young in 0_u64..100,
        room in 3_000_u64..40_000,
    ) {
        let mut fleet = fleet(FOLLOWS, 1.0).edit("b", |seen| seen.started_at = Some(NOW - Span::seconds(young)));
        fleet.observed.load.insert(key("web"), load(&series));
        for node in fleet.observed.nodes.values_mut() {
            node.cpu = MilliCpu(room);
        }
        let all = given(&fleet);
        for (id, cpu) in &all {
            prop_assert!((100..=4_000).contains(cpu));
            fleet = fleet.edit(id, |seen| seen.cpu = MilliCpu(*cpu));
        }
        if all.len() == 3 {
            prop_assert_eq!(given(&fleet), vec![]);
        }
    }
}
