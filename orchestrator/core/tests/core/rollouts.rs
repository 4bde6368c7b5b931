//! Rollouts in storms: every strategy, with faults, restarts of the daemon and people who hold,
//! promote, leave and change them at any moment. `ROLLOUT_SEEDS` says how many worlds are tried.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    analysis::Verdict,
    change::{Change, apply},
    id::{Generation, NodeName, ServiceKey},
    intent::{Intent, Service},
    observed::{Answer, InstanceSeen, Phase, ProblemKind},
    plan::{Plan, Request},
    reconcile::limits,
    rollout::Stage,
    sim::{Asked, Dice, Faults, Flaw, Moment, Run, Temper, World, run},
    spec::{Amounts, Likeness},
    step::Step,
    time::{Span, Time},
    units::Bytes,
};

use crate::common::{key, next, put};

const START: Time = Time(1_000_000);
const STORM: Span = Span::minutes(15);
const NAMES: [&str; 2] = ["base", "web"];
const GOOD: [&str; 3] = ["one", "two", "three"];
const BAD: [&str; 3] = ["deaf", "crashes", "absent"];

/// As many seeds as `ROLLOUT_SEEDS` says, or those from one to another (`3000..6000`), else as usual; or
/// the one of `ROLLOUT_SEED`, told step by step.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let said = |name| std::env::var(name).unwrap_or_default();
    if let Ok(seed) = said("ROLLOUT_SEED").parse::<u64>() {
        return seed..seed + 1;
    }
    let many = said("ROLLOUT_SEEDS");
    match many.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => 0..many.parse().unwrap_or(usual),
    }
}

#[expect(clippy::print_stderr, reason = "a seed is told on demand")]
fn tell(moment: &Moment) {
    if std::env::var_os("ROLLOUT_SEED").is_none() {
        return;
    }
    let steps: Vec<String> = moment.plan.steps.iter().map(Step::in_words).collect();
    for (key, service) in &moment.intent.services {
        let (mark, paused) = (service.mark().in_words(), service.paused().is_some());
        let of_it = moment
            .observed
            .instances
            .values()
            .filter(|seen| seen.service == *key);
        let seen: Vec<String> = of_it
            .map(|seen| {
                let phase: String = format!("{:?}", seen.phase).chars().take(4).collect();
                format!("{}{phase}", seen.generation)
            })
            .collect();
        eprintln!(
            "{} {key} {} generation {} of {}: {mark}{} {seen:?}",
            moment.now.0,
            service.spec.image,
            service.generation,
            service.replicas,
            if paused { ", paused" } else { "" }
        );
    }
    eprintln!("  {steps:?} {:?}", moment.plan.requests);
}

fn teach(world: &mut World, seed: u64) {
    if seed.is_multiple_of(2) {
        // Steps of a canary are judged by traffic, sometimes by too little.
        world.set_traffic(key("web"), 1 + seed % 400);
    }
    let flaws = [
        Flaw::NeverReady,
        Flaw::Exits {
            after: Span(700),
            code: 1,
        },
        Flaw::CannotStart(ProblemKind::ImageNotFound),
    ];
    for name in NAMES {
        for (tag, flaw) in BAD.into_iter().zip(flaws) {
            let temper = Temper {
                flaw,
                ..Temper::default()
            };
            world.set_temper(&format!("{name}:{tag}"), temper);
        }
    }
}

fn pick<T: Copy>(dice: &mut Dice, all: &[T]) -> T {
    all[usize::try_from(dice.below(u64::try_from(all.len()).unwrap())).unwrap()]
}

fn draw_strategy(dice: &mut Dice) -> String {
    let bake = |dice: &mut Dice| format!("{}s", dice.below(60));
    match dice.below(6) {
        0 => "rolling".into(),
        1 => "recreate".into(),
        2 | 3 => {
            let mut share = 0;
            let steps: Vec<String> = (0..dice.between(1, 3))
                .map(|_| {
                    share = (share + dice.between(1, 50)).min(100);
                    let (bake, pause) = (bake(dice), dice.chance(300));
                    format!("{{share: {share}%, bake: {bake}, pause: {pause}}}")
                })
                .collect();
            format!("{{canary: {{steps: [{}]}}}}", steps.join(", "))
        }
        _ => {
            let promote = pick(dice, &["manual", "automatic"]);
            let (bake, keep) = (bake(dice), bake(dice));
            format!("{{blueGreen: {{promote: {promote}, bake: {bake}, keepOld: {keep}}}}}")
        }
    }
}

fn draw_yaml(dice: &mut Dice, name: &str, tag: &str, needs: bool) -> String {
    let surge = pick(dice, &["0", "1", "2", "25%", "50%"]);
    let unavailable = pick(dice, &["1", "1", "2", "25%"]);
    let min = pick(dice, &[1, 1, 2, 5, 9]);
    let needs = if needs {
        "needs: [{service: base}]\n"
    } else {
        ""
    };
    format!(
        "image: {name}:{tag}\nreplicas: {{min: {min}, max: 12}}\n{needs}probes: {{readiness: {{tcp: {{port: 1}}}}}}\nupdate: {{strategy: {}, maxSurge: {surge}, maxUnavailable: {unavailable}, healthyDeadline: 40s, progressDeadline: 90s, pauseDeadline: 5m}}\n",
        draw_strategy(dice)
    )
}

fn draw_update(dice: &mut Dice, needs: bool) -> Change {
    let tag = |dice: &mut Dice| {
        if dice.chance(700) {
            pick(dice, &GOOD)
        } else {
            pick(dice, &BAD)
        }
    };
    let both = dice.chance(400);
    let names: &[&str] = if both { &NAMES } else { &NAMES[1..] };
    let services = names.iter().map(|name| {
        let tag = tag(dice);
        put(name, &draw_yaml(dice, name, tag, needs && *name == "web"))
    });
    Change::ApplyServices {
        services: services.collect(),
    }
}

/// What somebody does next, from how things stand.
fn draw_change(dice: &mut Dice, intent: &Intent, needs: bool, undo: &Option<Change>) -> Change {
    let service = key(pick(dice, &NAMES));
    let stands = &intent.services[&service];
    let generation = stands.generation;
    let node = NodeName::new(format!("node-{}", dice.between(1, 3))).unwrap();
    match dice.below(14) {
        0..=3 => draw_update(dice, needs),
        4 => Change::PauseRollout {
            service,
            generation,
        },
        5 => Change::ResumeRollout {
            service,
            generation,
        },
        6..=7 => Change::PromoteRollout {
            service,
            generation,
            full: dice.chance(300),
        },
        8 => Change::RollbackService {
            to: stands
                .stable
                .as_ref()
                .map_or(Generation(1), |past| past.generation),
            service,
        },
        9..=10 => Change::ScaleService {
            service,
            replicas: u32::try_from(dice.between(1, 12)).unwrap(),
        },
        11 => Change::SetLimits {
            service,
            limits: Amounts {
                memory: Some(Bytes::mib(pick(dice, &[64, 96, 128]))),
                ..Amounts::default()
            },
            requests: None,
        },
        12 => Change::DrainNode { node },
        _ => undo.clone().unwrap_or(Change::UncordonNode { node }),
    }
}

/// What was seen so far that later moments are held against.
#[derive(Default)]
struct Ledger {
    /// Generations that may have traffic: they were current and no preview.
    shown: BTreeSet<(ServiceKey, Generation)>,
    broken: Vec<String>,
    stages: BTreeMap<&'static str, u32>,
}

impl Ledger {
    /// Generations that may have traffic from now on. What differs in size only becomes the current one
    /// where it is.
    fn show(&mut self, intent: &Intent) {
        for (key, service) in &intent.services {
            if service.stage() == Stage::Preview {
                continue;
            }
            let alike = service
                .history
                .iter()
                .filter(|past| past.spec.likeness(&service.spec) != Likeness::Other);
            let alike = alike
                .map(|past| past.generation)
                .chain([service.generation]);
            self.shown
                .extend(alike.map(|generation| (key.clone(), generation)));
        }
    }

    fn watch(&mut self, moment: &Moment) {
        tell(moment);
        self.show(moment.intent);
        for (key, service) in &moment.intent.services {
            let stage = service.stage();
            *self.stages.entry(name_of(stage)).or_default() += 1;
            if service.paused().is_some() {
                *self.stages.entry("paused").or_default() += 1;
            }
            let there = moment
                .observed
                .instances
                .values()
                .filter(|seen| seen.service == *key && seen.phase != Phase::Unknown);
            let places = moment
                .plan
                .steps
                .iter()
                .filter(|step| matches!(step, Step::Place { service, .. } if service == key));
            let (there, places) = (there.count(), places.count());
            let most = limits(service).most(!moment.intent.draining.is_empty());
            let removed = moment.plan.steps.iter().filter(|step| matches!(step, Step::Remove { instance, .. } if moment.observed.instances[instance].service == *key)).count();
            if places > 0 && there + places - removed > usize::try_from(most).unwrap() {
                self.broken
                    .push(format!("{key}: {there} and {places} more, {most} at most"));
            }
        }
        self.broken.extend(kept_unsaid(moment.plan));
        for step in &moment.plan.steps {
            let Step::Route { service, instances } = step else {
                continue;
            };
            for id in instances {
                let seen = &moment.observed.instances[id];
                if !self.shown.contains(&(service.clone(), seen.generation)) {
                    self.broken.push(format!("traffic to {id}, a preview"));
                }
            }
        }
    }
}

/// A promoted version of which its traffic cannot say whether it does harm stays only where that is said.
fn kept_unsaid(plan: &Plan) -> Option<String> {
    let of = |request: &Request| match request {
        Request::Advance {
            service,
            from,
            unjudged: None,
            ..
        } if from.stage == Stage::Promoted => {
            let judgement = plan.analysis.get(service)?.judgement()?;
            (judgement.verdict != Verdict::Pass).then(|| format!("{service}: {judgement:?}"))
        }
        _ => None,
    };
    plan.requests.iter().find_map(of)
}

fn name_of(stage: Stage) -> &'static str {
    match stage {
        Stage::Rolling => "rolling",
        Stage::Recreate => "recreate",
        Stage::Canary { .. } => "canary",
        Stage::Preview => "preview",
        Stage::Promoted => "promoted",
    }
}

fn in_words(run: &Run) -> String {
    let of = |(key, service): (&ServiceKey, &Service)| {
        let findings = &run.last.report[key].findings;
        let stable = service
            .stable
            .as_ref()
            .map(|past| (past.generation, past.spec.image.clone()));
        format!(
            "\n{key} wants {} of {} ({}), {:?} {:?}, stable {stable:?}, {findings:?}",
            service.replicas,
            service.generation,
            service.spec.image,
            service.spec.update,
            service.rollout
        )
    };
    let services: String = run.intent.services.iter().map(of).collect();
    let steps: Vec<String> = run.last.steps.iter().map(Step::in_words).collect();
    format!(
        "{services}\n{steps:?} {:?} at {:?}",
        run.last.requests, run.ended_at
    )
}

/// The storm is over for good programs too: one whose readiness was lost while the daemon was away says yes again.
fn recover(world: &mut World, intent: &Intent) {
    let good = |seen: &InstanceSeen| {
        let spec = intent.spec_of(&seen.service, seen.generation);
        spec.is_some_and(|spec| GOOD.iter().any(|tag| spec.image.ends_with(tag)))
    };
    let deaf: Vec<_> = world
        .instances()
        .filter(|(_, seen)| good(seen) && matches!(seen.health.readiness, Answer::No { .. }))
        .map(|(id, _)| id.clone())
        .collect();
    for id in deaf {
        world.probe(&id, Asked::Readiness, None);
    }
}

/// One world from its seed to its rest; what is broken is said with the seed.
fn storm(seed: u64, stages: &mut BTreeMap<&'static str, u32>) {
    let mut dice = Dice::new(seed);
    let needs = dice.chance(500);
    let services = NAMES.map(|name| {
        put(
            name,
            &draw_yaml(&mut dice, name, "one", needs && name == "web"),
        )
    });
    let mut intent = next(
        &Intent::default(),
        &Change::ApplyServices {
            services: services.into(),
        },
    );
    let mut world = World::new(seed, START, Faults::none());
    teach(&mut world, seed);
    let mut ledger = Ledger::default();
    let mut wait = |world: &mut World, intent: Intent, span: Span| {
        let run = run(world, intent, &[], span, |moment| ledger.watch(moment));
        assert!(
            run.violations.is_empty(),
            "seed {seed}: {:?}",
            run.violations
        );
        // Promoted, and taken over from before anything was decided.
        ledger.show(&run.intent);
        run
    };
    intent = wait(&mut world, intent, Span::minutes(5)).intent;
    if dice.chance(700) {
        world.set_faults(Faults::many(world.now() + STORM));
    }
    let mut undo = None;
    for _ in 0..dice.between(3, 12) {
        let change = draw_change(&mut dice, &intent, needs, &undo);
        if let Ok(applied) = apply(&intent, &change, world.now()) {
            (intent, undo) = (applied.intent, applied.inverse);
        }
        intent = wait(&mut world, intent, Span(dice.between(10, 150_000))).intent;
    }
    world.set_faults(Faults::none());
    for number in 1..=3 {
        let node = NodeName::new(format!("node-{number}")).unwrap();
        intent = next(&intent, &Change::UncordonNode { node });
    }
    intent = wait(&mut world, intent, Span::seconds(100)).intent;
    recover(&mut world, &intent);
    // Each stage ends within its bake, its pause and its deadlines; there are six at most, twice.
    let last = wait(&mut world, intent, Span::minutes(120));
    assert!(last.quiet, "seed {seed}: stuck: {}", in_words(&last));
    assert!(ledger.broken.is_empty(), "seed {seed}: {:?}", ledger.broken);
    let accounts = world.accounts();
    let known = accounts.removed + accounts.forgotten + world.existing();
    assert_eq!(accounts.placed, known, "seed {seed}");
    for (key, service) in &last.intent.services {
        assert!(
            service.settled && service.rollout.is_none(),
            "seed {seed}: {key}"
        );
        let tag = service.spec.image.split_once(':').unwrap().1;
        assert!(GOOD.contains(&tag), "seed {seed}: {key} ended as {tag}");
        let there = world.instances().filter(|(_, seen)| seen.service == *key);
        assert_eq!(
            there.count(),
            usize::try_from(service.replicas).unwrap(),
            "seed {seed}: {key}"
        );
    }
    for (stage, times) in ledger.stages {
        *stages.entry(stage).or_default() += times;
    }
}

#[test]
fn no_rollout_is_ever_stuck_nor_shows_a_preview_and_the_bad_never_stay() {
    let mut stages = BTreeMap::new();
    for seed in seeds(150) {
        storm(seed, &mut stages);
    }
    for stage in [
        "rolling", "recreate", "canary", "preview", "promoted", "paused",
    ] {
        assert!(
            stages.get(stage).is_some_and(|times| *times > 20),
            "{stages:?}"
        );
    }
}

/// What somebody does in calm weather: a new version, or something about the one that rolls out.
fn draw_calm_change(dice: &mut Dice, intent: &Intent) -> Change {
    let generation = intent.services[&key("web")].generation;
    let service = key("web");
    match dice.below(6) {
        0..=1 => {
            let tag = pick(dice, &["two", "three", "deaf", "crashes", "absent"]);
            let mut spec = (*intent.services[&service].spec).clone();
            spec.image = format!("web:{tag}");
            let labels = BTreeMap::new();
            Change::ApplyServices {
                services: vec![ostler_core::change::ServicePut {
                    service,
                    labels,
                    spec,
                }],
            }
        }
        2 => Change::PauseRollout {
            service,
            generation,
        },
        3 => Change::ResumeRollout {
            service,
            generation,
        },
        4 => Change::PromoteRollout {
            service,
            generation,
            full: false,
        },
        _ => Change::RollbackService {
            service,
            to: Generation(1),
        },
    }
}

/// In calm weather, with the daemon alive, updates never leave fewer serving than promised, whatever
/// people do to the rollout.
#[test]
fn in_calm_weather_no_rollout_dips_below_what_was_promised() {
    for seed in seeds(60) {
        let mut dice = Dice::new(seed);
        let yaml = draw_yaml(&mut dice, "web", "one", false);
        let begun = next(
            &Intent::default(),
            &Change::ApplyServices {
                services: vec![put("web", &yaml)],
            },
        );
        let mut world = World::new(seed, START, Faults::none());
        teach(&mut world, seed);
        let mut intent = run(&mut world, begun, &[], Span::minutes(5), |_| {}).intent;
        for _ in 0..dice.between(2, 8) {
            let change = draw_calm_change(&mut dice, &intent);
            // To promote what does not run is a person's own doing: it is promoted only when it bakes.
            let rash = matches!(change, Change::PromoteRollout { .. })
                && !intent.services[&key("web")].mark().bakes;
            if let Ok(applied) = apply(&intent, &change, world.now())
                && !rash
            {
                intent = applied.intent;
            }
            let span = Span(dice.between(10, 150_000));
            let after = run(&mut world, intent, &[], span, |moment| {
                tell(moment);
                let service = &moment.intent.services[&key("web")];
                let least = usize::try_from(limits(service).least_ready()).unwrap();
                let routed = moment.observed.routes.get(&key("web"));
                let routed = routed.map_or(0, Vec::len);
                assert!(
                    routed >= least,
                    "seed {seed}: {routed} of {least}: {:?}",
                    service.mark()
                );
            });
            assert!(
                after.violations.is_empty(),
                "seed {seed}: {:?}",
                after.violations
            );
            intent = after.intent;
        }
    }
}
