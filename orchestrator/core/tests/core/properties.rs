//! What must hold for every seed: the shipped core against a world in which things go wrong.

use std::collections::BTreeMap;

use ostler_core::{
    change::{Change, ServicePut, apply},
    id::{Generation, InstanceId, NodeName, ServiceKey},
    intent::Intent,
    observed::{Phase, ProblemKind},
    plan::ServiceState,
    reconcile::{limits, reconcile},
    sim::{Dice, Faults, Flaw, Moment, Run, Temper, World, run, what_if},
    spec::{Amounts, ServiceSpec},
    step::Step,
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};
use proptest::prelude::*;

use crate::common::{applying, key, next, put};

const START: Time = Time(1_000_000);
const STORM: Span = Span::minutes(10);
const NAMES: [&str; 5] = ["store", "catalog", "cart", "web", "mail"];

/// A service with drawn bounds; `tag` names its program. Needs only earlier names, so no cycles.
fn draw_yaml(dice: &mut Dice, index: usize, tag: &str) -> String {
    let surge = ["0", "1", "2", "25%", "50%"][usize::try_from(dice.below(5)).unwrap()];
    let unavailable = ["1", "1", "2", "25%", "50%"][usize::try_from(dice.below(5)).unwrap()];
    let min = dice.below(3);
    let max = min + 1 + dice.below(6);
    let cpu = dice.pick(&[50, 100, 100, 400, 1_500]).unwrap().to_owned();
    let mut yaml = format!(
        "image: {}:{tag}\nreplicas: {{min: {min}, max: {max}}}\nupdate: {{maxSurge: {surge}, maxUnavailable: {unavailable}, healthyDeadline: 1m, progressDeadline: 2m}}\nresources: {{requests: {{cpu: {cpu}m, memory: 64Mi}}}}\n",
        NAMES[index]
    );
    if dice.chance(600) {
        yaml += "probes: {readiness: {tcp: {port: 1}}}\n";
    }
    if index > 0 && dice.chance(500) {
        let need = NAMES[usize::try_from(dice.below(u64::try_from(index).unwrap())).unwrap()];
        let until = if dice.chance(500) {
            "started"
        } else {
            "healthy"
        };
        yaml += &format!("needs: [{{service: {need}, until: {until}}}]\n");
    }
    yaml
}

/// Programs by tag: good ones, and each way of being broken.
fn teach(world: &mut World) {
    let flaws = [
        (
            "crashes",
            Flaw::Exits {
                after: Span(700),
                code: 1,
            },
        ),
        (
            "hungry",
            Flaw::OutOfMemory {
                after: Span::seconds(8),
            },
        ),
        ("deaf", Flaw::NeverReady),
        (
            "hangs",
            Flaw::Hangs {
                after: Span::seconds(20),
            },
        ),
        ("absent", Flaw::CannotStart(ProblemKind::ImageNotFound)),
    ];
    for name in NAMES {
        for (tag, flaw) in flaws {
            world.set_temper(
                &format!("{name}:{tag}"),
                Temper {
                    flaw,
                    ..Temper::default()
                },
            );
        }
    }
}

fn draw_limits(dice: &mut Dice) -> Amounts {
    let memory = dice.pick(&[64, 96, 128, 256]).copied().unwrap();
    Amounts {
        memory: dice.chance(800).then(|| Bytes::mib(memory)),
        cpu: dice
            .chance(500)
            .then(|| MilliCpu(dice.between(1_500, 4_000))),
        pids: None,
    }
}

/// The same service with other requests and limits, as far as it is still the same.
fn resized(spec: &ServiceSpec, service: ServiceKey, dice: &mut Dice) -> Change {
    let mut spec = spec.clone();
    spec.resources.limits = draw_limits(dice);
    spec.resources.requests.cpu = Some(MilliCpu(dice.between(1, 1_500)));
    Change::ApplyServices {
        services: vec![ServicePut {
            service,
            labels: BTreeMap::new(),
            spec,
        }],
    }
}

/// Changes at random moments of the storm; then everything is put right.
fn draw_script(dice: &mut Dice, intent: &Intent) -> Vec<(Time, Change)> {
    let tags = [
        "good", "better", "crashes", "hungry", "deaf", "hangs", "absent",
    ];
    let mut script: Vec<(Time, Change)> = (0..dice.between(4, 14))
        .map(|_| {
            let at = START + Span(dice.below(STORM.0));
            let index = usize::try_from(dice.below(5)).unwrap();
            let service = key(NAMES[index]);
            let node = NodeName::new(format!("node-{}", dice.between(1, 3))).unwrap();
            let change = match dice.below(13) {
                0..=2 => Change::ScaleService {
                    service,
                    replicas: u32::try_from(dice.below(8)).unwrap(),
                },
                3..=5 => applying(
                    NAMES[index],
                    &draw_yaml(dice, index, dice.clone().pick(&tags).unwrap()),
                ),
                6 => Change::RollbackService {
                    service,
                    to: Generation(dice.between(1, 9)),
                },
                7 => Change::DeleteService { service },
                8 => Change::DrainNode { node },
                9 => resized(&intent.services[&service].spec, service, dice),
                10..=11 => Change::SetLimits {
                    requests: None,
                    service,
                    limits: draw_limits(dice),
                },
                _ => Change::UncordonNode { node },
            };
            (at, change)
        })
        .collect();
    script.sort_by_key(|(at, _)| *at);
    let calm = START + STORM + Span::seconds(1);
    for number in 1..=3 {
        let node = NodeName::new(format!("node-{number}")).unwrap();
        script.push((calm, Change::UncordonNode { node }));
    }
    let good = |(index, name): (usize, &&str)| {
        put(
            name,
            &format!(
                "image: {name}:good\nreplicas: {{min: {}, max: 9}}",
                index % 3
            ),
        )
    };
    let services = NAMES.iter().enumerate().map(good).collect();
    assert_eq!(intent.services.len(), NAMES.len());
    script.push((calm + Span(1), Change::ApplyServices { services }));
    script
}

fn drawn(seed: u64) -> (World, Intent, Vec<(Time, Change)>) {
    let mut dice = Dice::new(seed);
    let services = (0..NAMES.len())
        .map(|index| put(NAMES[index], &draw_yaml(&mut dice, index, "good")))
        .collect();
    let intent = next(&Intent::default(), &Change::ApplyServices { services });
    let script = draw_script(&mut dice, &intent);
    let mut world = World::new(seed, START, Faults::many(START + STORM));
    teach(&mut world);
    (world, intent, script)
}

fn storm(seed: u64, watch: impl FnMut(&Moment)) -> (World, Run) {
    let (mut world, intent, script) = drawn(seed);
    let run = run(&mut world, intent, &script, Span::minutes(50), watch);
    (world, run)
}

/// Instances a service has, apart from those on silent nodes.
fn count(moment: &Moment, service: &ServiceKey) -> u32 {
    let there = |seen: &&ostler_core::observed::InstanceSeen| {
        seen.service == *service && seen.phase != Phase::Unknown
    };
    u32::try_from(moment.observed.instances.values().filter(there).count()).unwrap()
}

/// As many cases as `PROPTEST_CASES` says, else these.
fn cases(cases: u32) -> ProptestConfig {
    let usual = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        usual
    } else {
        ProptestConfig { cases, ..usual }
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn no_plan_breaks_an_invariant_accounts_balance_and_after_the_storm_all_is_well(seed in any::<u64>()) {
        let (world, run) = storm(seed, |_| {});
        prop_assert!(run.violations.is_empty(), "seed {seed}: {:?}", run.violations);
        prop_assert!(run.quiet, "seed {seed}: not quiet after {}: {:#?}", run.ended_at.since(START), run.last);
        let accounts = world.accounts();
        let known = accounts.removed + accounts.forgotten + world.existing();
        prop_assert_eq!(accounts.placed, known, "seed {}", seed);
        let observed = world.observe();
        // What runs through the storm keeps its failures; in quiet times they are forgotten.
        let steady = reconcile(&run.intent, &observed, world.now() + Span::minutes(3));
        for (key, service) in &run.intent.services {
            let expected = if service.replicas == 0 { ServiceState::Idle } else { ServiceState::Healthy };
            prop_assert_eq!(steady.report[key].state, expected, "seed {} {}", seed, key);
            prop_assert!(service.settled, "seed {seed} {key}");
            let there = observed.instances.values().filter(|seen| seen.service == *key).count();
            prop_assert_eq!(there, usize::try_from(service.replicas).unwrap(), "seed {} {}", seed, key);
        }
        prop_assert!(steady.steps.is_empty() && steady.requests.is_empty(), "seed {seed}: {steady:?}");
    }

    #[test]
    fn a_stopped_service_never_places_and_placing_never_exceeds_the_surge(seed in any::<u64>()) {
        let mut broken = Vec::new();
        storm(seed, |moment| {
            let mut placed: BTreeMap<&ServiceKey, u32> = BTreeMap::new();
            for step in &moment.plan.steps {
                match step {
                    Step::Place { service, .. } => *placed.entry(service).or_default() += 1,
                    Step::Restart { instance, .. } => {
                        let service = &moment.observed.instances[instance].service;
                        if moment.intent.services.get(service).is_none_or(|service| service.replicas == 0) {
                            broken.push(format!("{instance} of a stopped service restarts"));
                        }
                    }
                    _ => {}
                }
            }
            for (key, placed) in placed {
                let Some(service) = moment.intent.services.get(key).filter(|service| service.replicas > 0) else {
                    broken.push(format!("{key} is stopped but places"));
                    continue;
                };
                let removed = |step: &&Step| matches!(step, Step::Remove { instance, .. } if moment.observed.instances[instance].service == *key);
                let removed = u32::try_from(moment.plan.steps.iter().filter(removed).count()).unwrap();
                let most = limits(service).most(!moment.intent.draining.is_empty());
                if count(moment, key) - removed + placed > most {
                    broken.push(format!("{key} exceeds {most} instances"));
                }
            }
        });
        prop_assert!(broken.is_empty(), "seed {seed}: {broken:?}");
    }

    #[test]
    fn a_change_and_its_inverse_leave_the_services_as_they_were(seed in any::<u64>()) {
        let (_, mut intent, script) = drawn(seed);
        for (at, change) in script {
            let Ok(applied) = apply(&intent, &change, at) else { continue };
            prop_assert_eq!(applied.intent.revision.0, intent.revision.0 + 1);
            if let Some(inverse) = &applied.inverse {
                let back = apply(&applied.intent, inverse, at).unwrap().intent;
                let plain = |intent: &Intent| -> Vec<_> {
                    intent.services.iter().map(|(key, s)| (key.clone(), s.spec.clone(), s.labels.clone(), s.replicas)).collect()
                };
                prop_assert_eq!(plain(&back), plain(&intent), "seed {}", seed);
                prop_assert_eq!((&back.cordoned, &back.draining), (&intent.cordoned, &intent.draining));
                for (key, service) in &back.services {
                    let before = applied.intent.services.get(key).map(|service| service.generation);
                    prop_assert!(before.is_none_or(|before| service.generation >= before));
                }
            }
            intent = applied.intent;
        }
    }
}

/// In calm weather a service that is updated never has fewer ready instances than promised.
#[test]
fn a_rollout_in_calm_weather_never_dips_below_what_was_promised() {
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let yaml = |dice: &mut Dice, tag| {
            let drawn = draw_yaml(dice, 0, tag);
            drawn
                .replace("min: 0", "min: 1")
                .replace("replicas: {min: 1, max: 1}", "replicas: {min: 1, max: 2}")
        };
        let intent = next(
            &Intent::default(),
            &applying("store", &yaml(&mut dice, "good")),
        );
        let mut world = World::new(seed, START, Faults::none());
        teach(&mut world);
        let before = run(&mut world, intent, &[], Span::minutes(10), |_| {});
        assert!(before.quiet, "seed {seed}");
        let tag = dice
            .pick(&["better", "crashes", "deaf", "absent"])
            .unwrap()
            .to_owned();
        let mut spec = (*before.intent.services[&key("store")].spec).clone();
        spec.image = format!("store:{tag}");
        let update = Change::ApplyServices {
            services: vec![ServicePut {
                service: key("store"),
                labels: BTreeMap::new(),
                spec,
            }],
        };
        let script = [(world.now(), update)];
        let probed = before.intent.services[&key("store")]
            .spec
            .probes
            .readiness
            .is_some();
        let after = run(
            &mut world,
            before.intent,
            &script,
            Span::minutes(30),
            |moment| {
                let service = &moment.intent.services[&key("store")];
                let least = limits(service).least_ready();
                let ready = moment.plan.report[&key("store")].ready;
                // Without a readiness probe a program that crashes after a while looks good until then.
                assert!(
                    ready >= least || (!probed && tag != "better"),
                    "seed {seed} {tag}: {ready} of {least}"
                );
            },
        );
        assert!(
            after.violations.is_empty(),
            "seed {seed}: {:?}",
            after.violations
        );
        assert!(after.quiet, "seed {seed} {tag}: {:#?}", after.last);
        let image = &after.intent.services[&key("store")].spec.image;
        // What nobody asks cannot be found out: an unprobed deaf program counts as good.
        let accepted = tag == "better" || (tag == "deaf" && !probed);
        let expected = if accepted {
            format!("store:{tag}")
        } else {
            "store:good".to_owned()
        };
        assert_eq!(*image, expected, "seed {seed}: reverted by itself, or not");
    }
}

/// The properties above mean little for resizes unless the storms hold some.
#[test]
fn storms_resize_what_runs() {
    let resized = |seed| storm(seed, |_| {}).0.accounts().resized;
    let all: u64 = (0..20).map(resized).sum();
    assert!(all > 40, "{all} in 20 storms");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let journal = |seed| {
        let mut lines = Vec::new();
        storm(seed, |moment| {
            lines.extend(
                moment
                    .plan
                    .steps
                    .iter()
                    .map(|step| (moment.now, step.in_words())),
            )
        });
        lines
    };
    assert_eq!(journal(7), journal(7));
    assert_ne!(journal(7), journal(8));
}

#[test]
fn a_forecast_shows_what_a_change_would_do_and_changes_nothing() {
    let mut world = World::new(3, START, Faults::none());
    teach(&mut world);
    let intent = next(
        &Intent::default(),
        &applying("store", "image: store:good\nreplicas: {min: 2, max: 5}"),
    );
    let before = run(&mut world, intent, &[], Span::minutes(5), |_| {});
    let (intent, observed, now) = (before.intent, world.observe(), world.now());

    let scaled = what_if(
        &intent,
        &observed,
        &Change::ScaleService {
            service: key("store"),
            replicas: 4,
        },
        now,
    )
    .unwrap();
    assert!(
        scaled.comes_to_rest && scaled.disturbed.is_empty(),
        "{scaled:#?}"
    );
    assert_eq!(
        scaled
            .steps
            .iter()
            .filter(|step| step.what.starts_with("place"))
            .count(),
        2
    );
    assert_eq!(
        (
            scaled.report[&key("store")].ready,
            scaled.least_ready[&key("store")]
        ),
        (4, 2)
    );

    let update = applying("store", "image: store:better\nreplicas: {min: 2, max: 5}");
    let updated = what_if(&intent, &observed, &update, now).unwrap();
    let ids: Vec<&InstanceId> = observed.instances.keys().collect();
    assert_eq!(updated.disturbed.iter().collect::<Vec<_>>(), ids);
    assert_eq!(updated.report[&key("store")].state, ServiceState::Healthy);
    assert_eq!(world.observe(), observed);
}

#[test]
fn a_forecast_knows_that_more_of_the_same_goes_on_failing_and_a_rollback_heals() {
    let mut world = World::new(3, START, Faults::none());
    teach(&mut world);
    let intent = next(&Intent::default(), &applying("store", "image: store:good"));
    let good = run(&mut world, intent, &[], Span::minutes(5), |_| {});
    let bad = [(
        world.now(),
        applying("store", "image: store:crashes\nupdate: {autoRevert: false}"),
    )];
    let bad = run(&mut world, good.intent, &bad, Span::minutes(2), |_| {});
    let (observed, now) = (world.observe(), world.now());
    let state = |change: &Change| {
        what_if(&bad.intent, &observed, change, now).unwrap().report[&key("store")].state
    };
    let none = Change::All { changes: vec![] };
    assert_ne!(state(&none), ServiceState::Healthy);
    let back = Change::RollbackService {
        service: key("store"),
        to: Generation(1),
    };
    assert_eq!(state(&back), ServiceState::Healthy);
}
