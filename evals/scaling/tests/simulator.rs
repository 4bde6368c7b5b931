//! The simulator itself: accounts that balance, chance that repeats, and no view of the future.

use ostler_scaling::{
    control::{
        Autoscaler, Order, Pace,
        behaviour::Rules,
        fixed::Fixed,
        hpa::{self, Hpa},
        oracle::Oracle,
        ostler::Ostler,
    },
    generate,
    run::{play, run},
    scenario::Scenario,
};
use proptest::prelude::*;

fn short(steps: usize) -> Scenario {
    let mut scenario = generate::retry_storm(3);
    scenario.rates.truncate(steps);
    scenario.breaks.iter_mut().for_each(|one| one.at_s = 900);
    scenario.unmeasured = 0;
    scenario
}

fn hpa(scenario: &Scenario, target: f64) -> Hpa {
    Hpa::new(hpa::Settings {
        targets: vec![target; scenario.shop.programs.len()],
        cores: 1.0,
        rules: Rules::kubernetes(scenario.shop.min, scenario.shop.max),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_request_that_came_was_served_or_failed_or_waits(
        seed in 0_u64..10_000,
        replicas in 2_u32..40,
        cores in 0.2_f64..3.0,
    ) {
        let scenario = short(600);
        let orders = vec![Order { replicas, cores, shared: None }; scenario.shop.programs.len()];
        let mut fixed = Fixed { orders };
        let world = play(&scenario, &mut fixed, seed, &mut |_, _, _| {});
        for service in &world.services {
            let accounts = service.accounts;
            let kept = accounts.served + accounts.failed + service.queue;
            let off = (accounts.arrived - kept).abs();
            prop_assert!(off < 1e-6 * accounts.arrived.max(1.0), "{}: {accounts:?}", service.program.name);
            prop_assert!(service.queue >= 0.0 && accounts.failed >= 0.0);
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_not() {
    let scenario = short(1_500);
    let ours = |seed| {
        run(
            &scenario,
            &mut Ostler::new(&scenario, 1.0, true, Pace::OSTLER),
            seed,
        )
    };
    assert_eq!(ours(1), ours(1));
    assert_ne!(ours(1), ours(2));
    let theirs = |seed| run(&scenario, &mut hpa(&scenario, 0.6), seed);
    assert_eq!(theirs(1), theirs(1));
}

/// Instances and CPUs of every service, step by step.
fn path(scenario: &Scenario, autoscaler: &mut dyn Autoscaler) -> Vec<Vec<(usize, f64)>> {
    let mut path = Vec::new();
    play(scenario, autoscaler, 5, &mut |_, world, _| {
        let sizes = world
            .services
            .iter()
            .map(|one| (one.instances.len(), one.cores));
        path.push(sizes.collect());
    });
    path
}

#[test]
fn what_is_decided_now_does_not_hang_on_what_comes_later() {
    let scenario = short(1_500);
    let mut other = scenario.clone();
    let turn = 1_000;
    other.rates[turn..].iter_mut().for_each(|rate| *rate *= 3.0);
    let ostler = |scenario: &Scenario| {
        path(
            scenario,
            &mut Ostler::new(scenario, 1.0, true, Pace::OSTLER),
        )
    };
    let (one, two) = (ostler(&scenario), ostler(&other));
    assert_eq!(one[..turn], two[..turn]);
    assert_ne!(one, two, "what comes later matters later");
    let theirs = |scenario: &Scenario| path(scenario, &mut hpa(scenario, 0.6));
    assert_eq!(theirs(&scenario)[..turn], theirs(&other)[..turn]);
}

#[test]
fn nobody_does_it_for_less_than_who_knows_the_future() {
    for scenario in generate::all(2) {
        let scenario = Scenario {
            rates: scenario.rates[..4_320].to_vec(),
            unmeasured: 360,
            ..scenario
        };
        let mut oracle = Oracle::new(&scenario.shop, scenario.arrivals(2));
        let bound = run(&scenario, &mut oracle, 2);
        let ours = run(
            &scenario,
            &mut Ostler::new(&scenario, 1.0, true, Pace::OSTLER),
            2,
        );
        assert_eq!(bound.out, 0, "{}", scenario.name);
        assert!(bound.core_hours < ours.core_hours, "{}", scenario.name);
    }
}

#[test]
fn a_hundred_times_the_load_takes_everyone_out() {
    let mut scenario = short(600);
    scenario.rates.iter_mut().for_each(|rate| *rate *= 100.0);
    let result = run(&scenario, &mut hpa(&scenario, 0.5), 1);
    assert!(
        result.out * 10 > result.minutes * 9,
        "{} of {}",
        result.out,
        result.minutes
    );
}
