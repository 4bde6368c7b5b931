//! Other requests and limits for what runs: in place where that can be, by the usual rollout where
//! not, and never by taking anything down.

use std::collections::BTreeMap;

use ostler_core::{
    change::{Change, ServicePut, apply},
    check::check,
    facts::facts,
    id::{Generation, InstanceId},
    intent::Intent,
    observed::{InstanceSeen, Phase, Problem, ProblemKind, Resize, ResizeTrouble},
    plan::{Finding, Plan, Request, ServiceState},
    sim::{Dice, Faults, World, run, what_if},
    spec::Amounts,
    step::{Reason, Step},
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};
use proptest::prelude::*;

use crate::{
    common::{applying, intent, key, next, settle},
    reconcile::{Fleet, NOW, ended, exit, instance, node},
};

const SIZED: &str = "image: a:1\nreplicas: {min: 3, max: 9}\nresources: {requests: {cpu: 500m, memory: 256Mi}, limits: {memory: 512Mi}}";
const START: Time = Time(1_000_000);

fn limits(memory: u64) -> Change {
    Change::SetLimits {
        requests: None,
        service: key("web"),
        limits: Amounts {
            memory: Some(Bytes::mib(memory)),
            ..Amounts::default()
        },
    }
}

/// Three that run, each with what it reserves.
fn fleet(yaml: &str) -> Fleet {
    let intent = intent(&[("web", yaml)]);
    let (cpu, memory) = intent.services[&key("web")].spec.reserved();
    let mut fleet = Fleet::new(intent).routed("web", &["a", "b", "c"]);
    for id in ["a", "b", "c"] {
        fleet = fleet.ready("web", id, 1).edit(id, |seen| {
            (seen.cpu, seen.memory) = (cpu, memory);
        });
    }
    fleet
}

fn has(to: u64, seconds_ago: u64) -> impl FnOnce(&mut InstanceSeen) {
    move |seen| {
        seen.generation = Generation(to);
        seen.resize = Some(Resize {
            to: Generation(to),
            at: NOW - Span::seconds(seconds_ago),
            trouble: None,
        });
    }
}

fn refused(trouble: ResizeTrouble, seconds_ago: u64) -> impl FnOnce(&mut InstanceSeen) {
    move |seen| {
        seen.resize = Some(Resize {
            to: Generation(2),
            at: NOW - Span::seconds(seconds_ago),
            trouble: Some(trouble),
        });
    }
}

fn findings(plan: &Plan) -> &[Finding] {
    &plan.report[&key("web")].findings
}

#[test]
fn more_for_what_runs_is_given_to_all_at_once_and_nothing_else_happens() {
    let fleet = fleet(SIZED).change(&limits(1_024));
    assert_eq!(
        fleet.steps(),
        [
            "resize a in place to generation 2: its resources changed",
            "resize b in place to generation 2: its resources changed",
            "resize c in place to generation 2: its resources changed",
        ]
    );
    let plan = fleet.plan();
    assert_eq!(plan.report[&key("web")].state, ServiceState::Progressing);
    assert_eq!(plan.report[&key("web")].updated, 0);
    assert!(check(&fleet.intent, &fleet.observed, &plan).is_empty());
    assert!(
        !plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Route { .. })),
        "traffic stays where it is"
    );
}

#[test]
fn less_goes_around_as_those_before_prove_themselves() {
    let fleet = fleet(SIZED).change(&limits(300));
    assert_eq!(fleet.steps().len(), 1, "one at a time");
    let fleet = fleet.edit("a", has(2, 2));
    assert!(fleet.steps().is_empty(), "it has not proved itself");
    assert_eq!(fleet.plan().wake_at, Some(NOW + Span::seconds(3)));
    let fleet = fleet.edit("a", has(2, 6));
    assert_eq!(
        fleet.steps(),
        ["resize b in place to generation 2: its resources changed"]
    );
    let fleet = fleet.edit("a", ended(vec![exit(1, 1)]));
    let steps = fleet.steps();
    assert!(
        !steps.iter().any(|step| step.starts_with("resize")),
        "one that falls over holds the others: {steps:?}"
    );
}

#[test]
fn one_that_uses_more_than_the_new_limit_is_left_alone_and_asked_again() {
    let fleet = fleet(SIZED)
        .change(&limits(300))
        .edit("a", refused(ResizeTrouble::MemoryInUse, 3));
    assert_eq!(
        fleet.steps(),
        ["resize b in place to generation 2: its resources changed"]
    );
    let waits = Finding::NotResized {
        instance: instance("a"),
        why: ResizeTrouble::MemoryInUse,
        retry_at: NOW + Span::seconds(7),
    };
    assert!(findings(&fleet.plan()).contains(&waits));
    let fleet = fleet.edit("a", refused(ResizeTrouble::MemoryInUse, 10));
    assert_eq!(
        fleet.steps(),
        ["resize a in place to generation 2: its resources changed"]
    );
}

#[test]
fn a_resize_that_does_not_come_about_is_taken_back_and_nothing_was_stopped() {
    let mut fleet = fleet(SIZED)
        .change(&limits(300))
        .edit("a", refused(ResizeTrouble::MemoryInUse, 3))
        .edit("b", has(2, 60))
        .edit("c", has(2, 60));
    let late = |service: &mut ostler_core::intent::Service| {
        service.changed_at = NOW - Span::minutes(11);
    };
    late(fleet.intent.services.get_mut(&key("web")).unwrap());
    let plan = fleet.plan();
    let [Request::Revert { from, to, .. }] = &plan.requests[..] else {
        panic!("{plan:?}");
    };
    assert_eq!((*from, *to), (Generation(2), Generation(1)));
    let back = Change::RollbackService {
        service: key("web"),
        to: *to,
    };
    let fleet = fleet.change(&back);
    assert_eq!(
        fleet.steps(),
        [
            "resize b in place to generation 3: the rollout goes back",
            "resize c in place to generation 3: the rollout goes back",
        ],
        "the first one is as it should be"
    );
}

#[test]
fn a_resize_settles_when_all_have_it_and_held_it_for_a_while() {
    let fleet = fleet(SIZED)
        .change(&limits(1_024))
        .edit("a", has(2, 20))
        .edit("b", has(2, 9))
        .edit("c", has(2, 20));
    assert!(fleet.plan().requests.is_empty());
    assert_eq!(fleet.plan().wake_at, Some(NOW + Span::seconds(1)));
    let fleet = fleet.edit("b", has(2, 10));
    assert!(matches!(
        fleet.plan().requests[..],
        [Request::Settle {
            generation: Generation(2),
            ..
        }]
    ));
    assert_eq!(
        fleet.plan().report[&key("web")].state,
        ServiceState::Healthy
    );
}

#[test]
fn a_backend_that_cannot_leaves_it_to_the_usual_rollout() {
    let cannot = || refused(ResizeTrouble::Unsupported, 3);
    let fleet = fleet(SIZED)
        .change(&limits(1_024))
        .edit("a", cannot())
        .edit("b", cannot())
        .edit("c", cannot());
    let steps = fleet.steps();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert!(steps[0].starts_with("place web-"), "{steps:?}");
}

#[test]
fn what_its_node_has_no_room_for_moves_and_what_none_has_room_for_stays() {
    let bigger = SIZED.replace("cpu: 500m", "cpu: 1500m");
    let grown = |fleet: Fleet| fleet.change(&applying("web", &bigger));
    // 4 CPUs hold 1.5 + 1.5 + 0.5: the third does not fit.
    let alone = grown(fleet(SIZED));
    assert_eq!(alone.steps().len(), 2, "{:?}", alone.steps());
    let stays = findings(&alone.plan())
        .iter()
        .any(|finding| matches!(finding, Finding::NotResized { instance: id, why: ResizeTrouble::NoRoom, .. } if *id == instance("c")));
    assert!(stays, "{:?}", alone.plan().report);
    let state = alone.plan().report[&key("web")].state;
    assert_eq!(
        state,
        ServiceState::Degraded,
        "a person may have to make room"
    );
    assert!(check(&alone.intent, &alone.observed, &alone.plan()).is_empty());
    let two = grown(fleet(SIZED).with_node("n2"));
    let steps = two.steps();
    assert_eq!(steps.len(), 3, "{steps:?}");
    assert!(steps[2].contains("on n2: a newer generation"), "{steps:?}");
    assert!(check(&two.intent, &two.observed, &two.plan()).is_empty());
    let closed = two.change(&Change::CordonNode { node: node("n1") });
    assert_eq!(closed.steps().len(), 3, "what a closed node runs may grow");
}

#[test]
fn what_is_down_starts_with_the_new_resources_and_what_loops_starts_anew() {
    let down = fleet(SIZED)
        .change(&limits(1_024))
        .edit("a", ended(vec![exit(1, 1)]));
    assert!(
        down.steps()
            .contains(&"restart a (attempt 2, resources of generation 2): it ended".to_owned()),
        "{:?}",
        down.steps()
    );
    assert_eq!(down.steps().len(), 3);
    let looping = || vec![exit(9, 1), exit(6, 1), exit(3, 1)];
    let loops = fleet(SIZED)
        .change(&limits(1_024))
        .edit("a", ended(looping()));
    let steps = loops.steps();
    assert!(
        steps.iter().any(|step| step.starts_with("remove a: ")),
        "{steps:?}"
    );
    assert!(
        steps.iter().any(|step| step.starts_with("place web-")),
        "{steps:?}"
    );
    let failed = fleet(SIZED).change(&limits(1_024)).edit("a", |seen| {
        seen.phase = Phase::Failed {
            problem: Problem {
                kind: ProblemKind::Backend,
                detail: String::new(),
            },
        };
    });
    let steps = failed.steps();
    assert!(
        steps.iter().any(|step| step.starts_with("remove a: ")),
        "{steps:?}"
    );
}

#[test]
fn what_has_done_its_work_is_left_alone_and_what_is_stopped_is_not_resized() {
    let job = format!("{SIZED}\nrestart: {{policy: onFailure}}");
    let mut fleet = fleet(&job).change(&limits(1_024));
    for id in ["a", "b", "c"] {
        fleet = fleet.edit(id, ended(vec![exit(60, 0)]));
    }
    assert!(fleet.steps().is_empty(), "{:?}", fleet.steps());
    let none = SIZED.replace("min: 3", "min: 0");
    let stopped = self::fleet(&none)
        .change(&Change::ScaleService {
            service: key("web"),
            replicas: 0,
        })
        .change(&limits(1_024));
    let steps = stopped.steps();
    assert!(
        steps.iter().all(|step| step.starts_with("stop ")),
        "{steps:?}"
    );
}

#[test]
fn a_restart_that_was_asked_for_is_not_forgotten_over_a_resize() {
    let restart = Change::RestartInstances {
        service: key("web"),
        instances: vec![instance("a")],
        at: Time(500_000),
    };
    let fleet = fleet(SIZED).change(&restart).change(&limits(1_024));
    assert_eq!(fleet.steps()[0], "stop a: someone asked");
    assert_eq!(fleet.steps().len(), 3, "the others are resized");
}

#[test]
fn what_was_not_ready_before_is_not_held_against_a_resize() {
    use ostler_core::observed::Answer;
    let probed = format!("{SIZED}\nprobes: {{readiness: {{tcp: {{port: 1}}}}}}");
    let mut fleet = fleet(&probed).edit("a", |seen| {
        seen.health.readiness = Answer::No {
            since: NOW - Span::minutes(9),
            reason: String::new(),
        };
    });
    let applied = apply(&fleet.intent, &limits(1_024), NOW).unwrap();
    fleet.intent = applied.intent;
    assert!(fleet.plan().requests.is_empty());
}

#[test]
fn a_plan_that_resizes_what_it_must_not_is_found_out() {
    let resize = |id: &str, to| Step::Resize {
        instance: instance(id),
        generation: Generation(to),
        reason: Reason::Resized,
    };
    let broken = |fleet: &Fleet, step: Step| -> Vec<u8> {
        let plan = Plan {
            steps: vec![step],
            ..Plan::default()
        };
        let found = check(&fleet.intent, &fleet.observed, &plan);
        found.iter().map(|violation| violation.number).collect()
    };
    let good = fleet(SIZED).change(&limits(1_024));
    assert!(broken(&good, resize("a", 2)).is_empty());
    assert_eq!(broken(&good, resize("a", 1)), [13], "not current");
    assert_eq!(broken(&good, resize("z", 2)), [13], "not there");
    let down = fleet(SIZED)
        .change(&limits(1_024))
        .edit("a", ended(vec![exit(1, 1)]));
    assert_eq!(broken(&down, resize("a", 2)), [13], "not running");
    let other = fleet(SIZED).change(&applying("web", &SIZED.replace("a:1", "a:2")));
    assert_eq!(broken(&other, resize("a", 2)), [13], "made otherwise");
    let bigger = SIZED.replace("cpu: 500m", "cpu: 3500m");
    let crowded = fleet(SIZED).change(&applying("web", &bigger));
    assert_eq!(broken(&crowded, resize("a", 2)), [6], "no room");
    let restart = Step::Restart {
        instance: instance("a"),
        attempt: 2,
        generation: Some(Generation(2)),
        reason: Reason::Exited,
    };
    assert!(broken(&down, restart.clone()).is_empty());
    let other = other.edit("a", ended(vec![exit(1, 1)]));
    assert_eq!(broken(&other, restart), [13]);
}

#[test]
fn facts_and_forecast_say_that_nothing_is_replaced() {
    let now = intent(&[("web", SIZED)]);
    let fact = |change: &Change| facts(&now, change).unwrap().replaces_instances;
    assert!(!fact(&limits(300)) && !fact(&limits(1_024)));
    let requests = |cpu: &str| applying("web", &SIZED.replace("cpu: 500m", cpu));
    assert!(!fact(&requests("cpu: 100m")));
    assert!(fact(&requests("cpu: 600m")), "its node may have no room");
    assert!(fact(&applying("web", &SIZED.replace("a:1", "a:2"))));

    let mut world = World::new(1, START, Faults::none());
    let before = run(&mut world, now, &[], Span::minutes(5), |_| {});
    let forecast = what_if(&before.intent, &world.observe(), &limits(300), world.now()).unwrap();
    assert!(forecast.disturbed.is_empty(), "{forecast:#?}");
    assert_eq!((forecast.steps.len(), forecast.resized.len()), (3, 3));
    let words = forecast.in_words();
    assert!(
        words.contains("0 instances disturbed, 3 resized in place"),
        "{words}"
    );
    assert!(forecast.comes_to_rest && forecast.least_ready[&key("web")] == 3);
    assert!(forecast.assumptions[0].contains("takes other limits at once"));
}

/// Requests and limits that leave everybody room.
fn draw_size(dice: &mut Dice, intent: &Intent) -> Change {
    let mut spec = (*intent.services[&key("web")].spec).clone();
    spec.resources.requests = Amounts {
        cpu: Some(MilliCpu(dice.between(1, 1_000))),
        memory: Some(Bytes::mib(dice.between(1, 1_000))),
        pids: None,
    };
    spec.resources.limits = Amounts {
        cpu: dice
            .chance(700)
            .then(|| MilliCpu(dice.between(1_000, 8_000))),
        memory: dice
            .chance(700)
            .then(|| Bytes::mib(dice.between(1_000, 4_000))),
        pids: None,
    };
    Change::ApplyServices {
        services: vec![ServicePut {
            service: key("web"),
            labels: BTreeMap::new(),
            spec,
        }],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// With room there, a resize never places, stops, restarts or takes away anything, whatever
    /// steps get lost, come late or twice, and however often the daemon restarts.
    #[test]
    fn a_pure_resize_touches_nothing_else(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut world = World::new(seed, START, Faults::none());
        let before = run(&mut world, intent(&[("web", SIZED)]), &[], Span::minutes(5), |_| {});
        let ran: Vec<(InstanceId, Option<Time>)> = world.instances().map(|(id, seen)| (id.clone(), seen.started_at)).collect();
        let from = world.now();
        world.set_faults(Faults { until: from + Span::minutes(3), drops: 200, repeats: 200, delays: 200, restarts: 300, ..Faults::none() });
        let script: Vec<(Time, Change)> = (0..5)
            .map(|number| (from + Span(number * dice.between(1, 60_000)), draw_size(&mut dice, &before.intent)))
            .collect();
        let mut touched = Vec::new();
        let after = run(&mut world, before.intent, &script, Span::minutes(40), |moment| {
            touched.extend(moment.plan.steps.iter().filter(|step| !matches!(step, Step::Resize { .. } | Step::Route { .. })).map(Step::in_words));
        });
        prop_assert!(after.violations.is_empty(), "seed {seed}: {:?}", after.violations);
        prop_assert!(touched.is_empty(), "seed {seed}: {touched:?}");
        prop_assert!(after.quiet && after.intent.services[&key("web")].settled, "seed {seed}: {:#?}", after.last);
        let runs: Vec<(InstanceId, Option<Time>)> = world.instances().map(|(id, seen)| (id.clone(), seen.started_at)).collect();
        prop_assert_eq!(ran, runs, "seed {}", seed);
        let service = &after.intent.services[&key("web")];
        for (_, seen) in world.instances() {
            prop_assert_eq!((seen.cpu, seen.memory), service.spec.reserved(), "seed {}", seed);
            prop_assert!(seen.generation == service.generation || service.past(seen.generation).unwrap().spec.makes_same(&service.spec));
        }
        prop_assert_eq!(world.accounts().placed, 3);
    }

    /// Refused now and then, in every way, nothing that runs is ever ended before another took over.
    #[test]
    fn refusals_take_nothing_down(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut world = World::new(seed, START, Faults::none());
        let before = run(&mut world, intent(&[("web", SIZED)]), &[], Span::minutes(5), |_| {});
        let from = world.now();
        world.set_faults(Faults { until: from + Span::minutes(12), refusals: 700, ..Faults::none() });
        let script: Vec<(Time, Change)> = (0..3)
            .map(|number| (from + Span::minutes(4 * number), draw_size(&mut dice, &before.intent)))
            .collect();
        let mut least = u32::MAX;
        let after = run(&mut world, before.intent, &script, Span::minutes(60), |moment| {
            least = least.min(moment.plan.report[&key("web")].ready);
        });
        prop_assert!(after.violations.is_empty(), "seed {seed}: {:?}", after.violations);
        prop_assert!(least >= 3, "seed {seed}: {least} ready");
        prop_assert!(after.quiet && after.intent.services[&key("web")].settled, "seed {seed}: {:#?}", after.last);
    }
}

#[test]
fn a_resize_is_undone_by_a_resize_back() {
    let mut world = World::new(4, START, Faults::none());
    let before = run(
        &mut world,
        intent(&[("web", SIZED)]),
        &[],
        Span::minutes(5),
        |_| {},
    );
    let applied = apply(&before.intent, &limits(300), world.now()).unwrap();
    let inverse = applied.inverse.unwrap();
    let after = run(&mut world, applied.intent, &[], Span::minutes(5), |_| {});
    assert_eq!(world.accounts().resized, 3);
    let back = settle(&next(&after.intent, &inverse), "web");
    let undone = run(&mut world, back, &[], Span::minutes(5), |_| {});
    assert_eq!(world.accounts().resized, 6);
    assert_eq!(world.accounts().placed, 3);
    assert!(undone.quiet);
    assert!(world.instances().all(|(_, seen)| seen.attempt == 1));
}
