//! One run: an autoscaler, a scenario and a seed, and what came of it.

use crate::{
    control::{Autoscaler, Order, View, ceil},
    measure::{Measure, Result},
    scenario::{Break, Scenario},
    scrape::Scraper,
    shop::STEP_S,
    world::{Outcome, World},
};

/// Plays the scenario to its end. The same autoscaler, scenario and seed give the same result.
#[must_use]
pub fn run(scenario: &Scenario, autoscaler: &mut dyn Autoscaler, seed: u64) -> Result {
    let mut measure = Measure::new(scenario);
    play(scenario, autoscaler, seed, &mut |now_s, world, outcome| {
        measure.add(now_s, world, outcome);
    });
    measure.end()
}

/// As [`runs`], but given up as soon as `goes_on` says no to what has come of it: minutes out, and
/// core-hours.
#[must_use]
pub fn runs_while<A: Autoscaler>(
    scenario: &Scenario,
    seed: u64,
    make: &dyn Fn() -> A,
    goes_on: &dyn Fn(u32, f64) -> bool,
) -> Option<Result> {
    let mut sum: Option<Result> = None;
    for seed in seed..seed + scenario.runs.max(1) {
        let (out, hours) = sum
            .as_ref()
            .map_or((0, 0.0), |sum| (sum.out, sum.core_hours));
        let mut measure = Measure::new(scenario);
        let mut going = true;
        drive(scenario, &mut make(), seed, &mut |now_s, world, outcome| {
            measure.add(now_s, world, outcome);
            going = goes_on(out + measure.out(), hours + measure.core_hours());
            going
        });
        if !going {
            return None;
        }
        let result = measure.end();
        sum = Some(sum.map_or_else(|| result.clone(), |sum| sum.and(result.clone())));
    }
    sum
}

/// Adds up the scenario's runs, from `seed` on; each with an autoscaler of its own.
#[must_use]
pub fn runs<A: Autoscaler>(scenario: &Scenario, seed: u64, make: &dyn Fn() -> A) -> Result {
    let seeds = seed..seed + scenario.runs.max(1);
    let all = seeds.map(|seed| run(scenario, &mut make(), seed));
    all.reduce(Result::and).unwrap_or_default()
}

/// What watches a run: the moment, the world after the step, and what the step came to.
pub type Watch<'a> = dyn FnMut(u64, &World, &Outcome) + 'a;

/// As [`run`], with every step shown to `watch`; gives the world as it is in the end.
pub fn play(
    scenario: &Scenario,
    autoscaler: &mut dyn Autoscaler,
    seed: u64,
    watch: &mut Watch<'_>,
) -> World {
    drive(scenario, autoscaler, seed, &mut |now_s, world, outcome| {
        watch(now_s, world, outcome);
        true
    })
}

/// As [`play`], until `watch` says no.
fn drive(
    scenario: &Scenario,
    autoscaler: &mut dyn Autoscaler,
    seed: u64,
    watch: &mut dyn FnMut(u64, &World, &Outcome) -> bool,
) -> World {
    let pace = autoscaler.pace();
    let arrivals = scenario.arrivals(seed);
    let failures = scenario.failures(seed);
    let end_s = seconds(arrivals.len());
    let shop = if autoscaler.magic() {
        scenario.shop.without_leaks()
    } else {
        scenario.shop.clone()
    };
    let mut world = World::new(&shop, &first_sizes(scenario, autoscaler.cores()));
    let mut scraper = Scraper::new(
        scenario.metrics,
        pace.delay_s,
        scenario.shop.programs.len(),
        end_s,
        seed,
    );
    let mut failing = failures.iter().peekable();
    for (step, fresh) in arrivals.iter().enumerate() {
        let now_s = seconds(step);
        if now_s.is_multiple_of(pace.every_s) {
            turn(scenario, autoscaler, &mut world, &mut scraper, now_s);
        }
        while let Some(failure) = failing.next_if(|failure| failure.at_s <= now_s) {
            if !autoscaler.magic() {
                strike(&mut world, failure, now_s);
            }
        }
        let outcome = world.step(now_s, *fresh);
        scraper.add(&outcome.services);
        if !watch(now_s, &world, &outcome) {
            break;
        }
    }
    world
}

fn seconds(steps: usize) -> u64 {
    u64::try_from(steps)
        .unwrap_or(u64::MAX)
        .saturating_mul(STEP_S)
}

/// Everyone starts with room for twice the load of the first minute.
fn first_sizes(scenario: &Scenario, cores: f64) -> Vec<(u32, f64)> {
    let first: Vec<f64> = scenario.rates.iter().take(12).copied().collect();
    let rate = first.iter().fold(0.0, |most, rate| f64::max(most, *rate));
    let visits = scenario.shop.visits();
    let programs = scenario.shop.programs.iter().zip(visits);
    let size =
        |work: f64| ceil(rate * work / (0.5 * cores)).clamp(scenario.shop.min, scenario.shop.max);
    programs
        .map(|(program, visits)| (size(visits * program.work_s), cores))
        .collect()
}

fn turn(
    scenario: &Scenario,
    autoscaler: &mut dyn Autoscaler,
    world: &mut World,
    scraper: &mut Scraper,
    now_s: u64,
) {
    let samples = scraper.read(now_s, &world.services);
    let views = world
        .services
        .iter()
        .zip(samples)
        .map(|(service, sample)| View {
            sample,
            instances: &service.instances,
            cores: service.cores,
        });
    let views: Vec<View<'_>> = views.collect();
    let orders = autoscaler.turn(now_s, &views);
    for (service, order) in world.services.iter_mut().zip(orders) {
        let Order {
            replicas,
            cores,
            shared,
        } = order;
        service.shared = shared;
        let replicas = replicas.clamp(scenario.shop.min, scenario.shop.max);
        service.resize(now_s, replicas, cores.clamp(0.05, scenario.shop.most_cores));
        if autoscaler.magic() {
            service
                .instances
                .iter_mut()
                .for_each(|one| (one.born_s, one.ready_s) = (0, 0));
        }
    }
}

/// Instances die: one where chance struck, a share where it was planned.
fn strike(world: &mut World, failure: &Break, now_s: u64) {
    let Some(service) = world.services.get_mut(failure.service) else {
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "some hundred instances")]
    let count = (service.instances.len() as f64 * failure.share)
        .round()
        .max(1.0);
    for _ in 0..ceil(count) {
        // The oldest goes; those that start in its place are the youngest.
        service.lose(now_s, 0.0);
    }
}
