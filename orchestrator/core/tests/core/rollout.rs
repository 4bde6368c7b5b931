//! Rollouts by strategy, one decision or one calm run at a time; the storms are in `rollouts`.

use ostler_core::{
    change::{Change, apply},
    id::Generation,
    intent::Intent,
    plan::{Finding, Request, ServiceState},
    rollout::{Mark, Stage},
    sim::{Faults, Flaw, Moment, Run, Temper, World, run},
    time::{Span, Time},
    traffic::{WHOLE, traffic},
};

use crate::common::{applying, key, next};

const START: Time = Time(1_000_000);
const CANARY: &str = "strategy: {canary: {steps: [{share: 10%, bake: 1m}, {share: 50%, weight: 40%, bake: 2m, pause: true}]}}";
const BLUE_GREEN: &str = "strategy: {blueGreen: {promote: manual, bake: 1m, keepOld: 5m}}";

/// A world in which a web of ten has settled, and what happens to it.
struct Story {
    world: World,
    intent: Intent,
}

fn yaml(tag: &str, update: &str, rest: &str) -> String {
    format!(
        "image: web:{tag}\nreplicas: {{min: 10, max: 20}}\nprobes: {{readiness: {{tcp: {{port: 1}}}}}}\nupdate: {{{update}, healthyDeadline: 1m, progressDeadline: 2m, pauseDeadline: 1h}}\n{rest}"
    )
}

impl Story {
    fn begin(update: &str) -> Self {
        Self::of(&[("web", &yaml("one", update, ""))])
    }

    fn of(services: &[(&str, &str)]) -> Self {
        let mut world = World::new(7, START, Faults::none());
        let deaf = Temper {
            flaw: Flaw::NeverReady,
            ..Temper::default()
        };
        world.set_temper("web:deaf", deaf.clone());
        world.set_temper("base:deaf", deaf);
        let puts = services
            .iter()
            .map(|(name, yaml)| crate::common::put(name, yaml));
        let all = Change::ApplyServices {
            services: puts.collect(),
        };
        let intent = next(&Intent::default(), &all);
        let mut story = Self { world, intent };
        let run = story.wait(Span::minutes(10), |_| {});
        assert!(run.quiet);
        story
    }

    fn wait(&mut self, span: Span, watch: impl FnMut(&Moment)) -> Run {
        let run = run(&mut self.world, self.intent.clone(), &[], span, watch);
        assert!(run.violations.is_empty(), "{:?}", run.violations);
        self.intent = run.intent.clone();
        run
    }

    fn change(&mut self, change: &Change) -> &mut Self {
        let applied = apply(&self.intent, change, self.world.now()).unwrap();
        self.intent = applied.intent;
        self
    }

    fn update(&mut self, tag: &str, update: &str) -> &mut Self {
        self.change(&applying("web", &yaml(tag, update, "")))
    }

    fn mark(&self) -> Mark {
        self.intent.services[&key("web")].mark()
    }

    /// Instances that take traffic, of the current generation and of others.
    fn routed(&self) -> (usize, usize) {
        let observed = self.world.observe();
        let generation = self.intent.services[&key("web")].generation;
        let ids = observed.routes[&key("web")].iter();
        let new = ids
            .filter(|id| observed.instances[*id].generation == generation)
            .count();
        (new, observed.routes[&key("web")].len() - new)
    }

    fn image(&self) -> &str {
        &self.intent.services[&key("web")].spec.image
    }

    fn promote(&mut self, full: bool) -> &mut Self {
        let generation = self.intent.services[&key("web")].generation;
        self.change(&Change::PromoteRollout {
            service: key("web"),
            generation,
            full,
        })
    }

    fn weights(&self) -> Vec<(u64, u32)> {
        let all = traffic(&self.intent, &self.world.observe());
        let web = &all[&key("web")];
        assert_eq!(web.iter().map(|one| one.weight).sum::<u32>(), WHOLE);
        web.iter()
            .map(|one| (one.generation.0, one.weight))
            .collect()
    }
}

fn canary(step: u32, bakes: bool) -> Mark {
    let stage = Stage::Canary { step };
    Mark { stage, bakes }
}

#[test]
fn a_canary_goes_step_by_step_waits_where_it_should_and_settles() {
    let mut story = Story::begin(CANARY);
    story
        .update("two", CANARY)
        .wait(Span::seconds(40), |moment| {
            assert!(moment.observed.instances.len() <= 11);
        });
    assert_eq!((story.mark(), story.routed()), (canary(0, true), (1, 9)));
    assert_eq!(story.weights(), [(2, 1_000), (1, 9_000)]);
    story.wait(Span::minutes(3), |_| {});
    assert_eq!((story.mark(), story.routed()), (canary(1, true), (5, 5)));
    assert_eq!(story.weights(), [(2, 4_000), (1, 6_000)]);
    // It waits for somebody, longer than it bakes.
    story.wait(Span::minutes(20), |_| {});
    assert_eq!((story.mark(), story.routed()), (canary(1, true), (5, 5)));
    let run = story.promote(false).wait(Span::minutes(10), |_| {});
    assert!(run.quiet && story.intent.services[&key("web")].settled);
    assert_eq!((story.routed(), story.image()), ((10, 0), "web:two"));
    assert_eq!(story.intent.services[&key("web")].rollout, None);
}

#[test]
fn nobody_promotes_and_it_goes_back_in_the_end() {
    let mut story = Story::begin(CANARY);
    let run = story.update("two", CANARY).wait(Span::minutes(120), |_| {});
    assert!(run.quiet, "{:?}", run.last);
    let (again, kept) = story.routed();
    assert_eq!((story.image(), again + kept), ("web:one", 10));
}

#[test]
fn a_canary_that_never_gets_ready_goes_back_at_its_first_step_and_nobody_notices() {
    let mut story = Story::begin(CANARY);
    let before = story.world.observe();
    let run = story
        .update("deaf", CANARY)
        .wait(Span::minutes(30), |moment| {
            assert!(moment.plan.report[&key("web")].ready >= 10);
            let service = &moment.intent.services[&key("web")];
            let step = matches!(service.stage(), Stage::Canary { step: 0 } | Stage::Rolling);
            assert!(step, "{:?}", service.mark());
        });
    assert!(run.quiet);
    let after = story.world.observe();
    assert_eq!(story.image(), "web:one");
    // The ten that ran run on.
    assert_eq!(
        before.instances.keys().collect::<Vec<_>>(),
        after.instances.keys().collect::<Vec<_>>()
    );
}

#[test]
fn a_preview_stands_whole_without_traffic_until_it_is_promoted_and_the_old_one_is_kept() {
    let mut story = Story::begin(BLUE_GREEN);
    story
        .update("two", BLUE_GREEN)
        .wait(Span::minutes(10), |_| {});
    assert_eq!(story.world.observe().instances.len(), 20);
    assert_eq!(story.mark().stage, Stage::Preview);
    assert_eq!(story.routed(), (0, 10));
    story.promote(false).wait(Span::minutes(1), |_| {});
    assert_eq!(story.routed(), (10, 0));
    assert_eq!(story.world.observe().instances.len(), 20);
    let run = story.wait(Span::minutes(10), |moment| {
        let routes = &moment.observed.routes[&key("web")];
        let of_two = |id| moment.observed.instances[id].generation == Generation(2);
        assert!(routes.iter().all(of_two), "nothing goes to what is kept");
    });
    assert!(run.quiet && story.intent.services[&key("web")].settled);
    assert_eq!(story.world.observe().instances.len(), 10);
}

#[test]
fn left_after_its_promotion_the_kept_old_one_has_the_traffic_again_at_once() {
    let mut story = Story::begin(BLUE_GREEN);
    let ids: Vec<_> = story.world.observe().instances.into_keys().collect();
    story
        .update("two", BLUE_GREEN)
        .wait(Span::minutes(10), |_| {});
    story.promote(false).wait(Span::minutes(1), |_| {});
    let back = Change::RollbackService {
        service: key("web"),
        to: Generation(1),
    };
    story.change(&back).wait(Span(50), |_| {});
    assert_eq!(story.world.observe().routes[&key("web")], ids);
    let run = story.wait(Span::minutes(10), |_| {});
    assert!(run.quiet);
    assert_eq!(
        story
            .world
            .observe()
            .instances
            .into_keys()
            .collect::<Vec<_>>(),
        ids
    );
}

#[test]
fn a_preview_that_another_takes_over_from_never_has_traffic() {
    let mut story = Story::begin(BLUE_GREEN);
    story
        .update("two", BLUE_GREEN)
        .wait(Span::minutes(5), |_| {});
    story.update("three", BLUE_GREEN);
    story.wait(Span::minutes(10), |moment| {
        let routes = &moment.observed.routes[&key("web")];
        let of_one = |id| moment.observed.instances[id].generation == Generation(1);
        assert!(routes.iter().all(of_one));
        assert!(moment.observed.instances.len() <= 20);
    });
    assert_eq!(
        (story.mark().stage, story.routed()),
        (Stage::Preview, (0, 10))
    );
    let run = story.promote(false).wait(Span::minutes(30), |_| {});
    assert!(run.quiet && story.image() == "web:three");
}

#[test]
fn recreate_never_runs_two_versions_neither_forth_nor_back() {
    let mut story = Story::begin("strategy: recreate");
    let run = story
        .update("deaf", "strategy: recreate")
        .wait(Span::minutes(30), |moment| {
            let up = moment.observed.instances.values().filter(|seen| {
                !matches!(
                    seen.phase,
                    ostler_core::observed::Phase::Ended
                        | ostler_core::observed::Phase::Failed { .. }
                )
            });
            let images: std::collections::BTreeSet<_> = up
                .filter_map(|seen| moment.intent.spec_of(&seen.service, seen.generation))
                .map(|spec| &spec.image)
                .collect();
            assert!(images.len() <= 1, "{images:?}");
        });
    assert!(run.quiet);
    assert_eq!((story.image(), story.routed()), ("web:one", (10, 0)));
}

#[test]
fn held_nothing_moves_let_go_it_does() {
    let update = "strategy: rolling";
    let mut story = Story::begin(update);
    story.update("two", update).wait(Span::seconds(12), |_| {});
    let rolled = story.routed();
    assert!(rolled.0 > 0 && rolled.1 > 0, "{rolled:?}");
    let hold = |story: &mut Story, pause: bool| {
        let (service, generation) = (key("web"), Generation(2));
        story.change(&if pause {
            Change::PauseRollout {
                service,
                generation,
            }
        } else {
            Change::ResumeRollout {
                service,
                generation,
            }
        });
    };
    hold(&mut story, true);
    story.wait(Span::seconds(30), |_| {});
    let held = story.routed();
    story.wait(Span::minutes(20), |_| {});
    assert_eq!(story.routed(), held);
    assert!(held.1 > 0 && held.0 + held.1 >= 10, "{held:?}");
    hold(&mut story, false);
    let run = story.wait(Span::minutes(20), |_| {});
    assert!(run.quiet);
    assert_eq!((story.routed(), story.image()), ((10, 0), "web:two"));
}

#[test]
fn what_was_changed_together_rolls_out_in_the_order_of_needs() {
    let needing = "needs: [{service: base}]";
    let base = |tag: &str| format!("image: base:{tag}\nreplicas: {{min: 2, max: 2}}");
    let both = |tag: &str| Change::ApplyServices {
        services: vec![
            crate::common::put("base", &base(tag)),
            crate::common::put("web", &yaml(tag, "strategy: rolling", needing)),
        ],
    };
    let mut story = Story::of(&[
        ("base", &base("one")),
        ("web", &yaml("one", "strategy: rolling", needing)),
    ]);
    let mut waited = false;
    let run = story.change(&both("two")).wait(Span::minutes(30), |moment| {
        let base = &moment.intent.services[&key("base")];
        let begun = moment.observed.instances.values().any(|seen| {
            seen.service == key("web") && seen.generation == Generation(2)
        });
        assert!(base.settled || !begun, "web began before base was done");
        let findings = &moment.plan.report[&key("web")].findings;
        let waits = |finding: &Finding| matches!(finding, Finding::WaitsFor { needs } if *needs == [key("base")]);
        waited |= findings.iter().any(waits);
    });
    assert!(run.quiet && waited);
    assert_eq!(story.image(), "web:two");
    let steady = run.last.report[&key("web")].state;
    assert_eq!(steady, ServiceState::Healthy);
}

/// Waiting for its turn is not its fault: the clock begins when it may begin, also without a surge.
#[test]
fn a_long_wait_for_its_turn_is_not_held_against_a_rollout() {
    let needing = "needs: [{service: base}]";
    let slow = "{canary: {steps: [{share: 50%, bake: 10m}]}}";
    let base = |tag: &str| {
        format!("image: base:{tag}\nreplicas: {{min: 2, max: 2}}\nupdate: {{strategy: {slow}}}")
    };
    let no_surge = "strategy: rolling, maxSurge: 0, maxUnavailable: 1";
    let both = |tag: &str| Change::ApplyServices {
        services: vec![
            crate::common::put("base", &base(tag)),
            crate::common::put("web", &yaml(tag, no_surge, needing)),
        ],
    };
    let mut story = Story::of(&[
        ("base", &base("one")),
        ("web", &yaml("one", no_surge, needing)),
    ]);
    let run = story
        .change(&both("two"))
        .wait(Span::minutes(60), |moment| {
            let back = |request: &Request| matches!(request, Request::Revert { .. });
            assert!(!moment.plan.requests.iter().any(back));
        });
    assert!(run.quiet && story.image() == "web:two");
}

#[test]
fn a_step_of_one_instance_leaves_one_to_compare_with() {
    let update = "strategy: {canary: {steps: [{weight: 1%, bake: 1m}]}}";
    let one = |tag: &str| yaml(tag, update, "").replace("min: 10", "min: 1");
    let mut story = Story::of(&[("web", &one("one"))]);
    story
        .change(&applying("web", &one("two")))
        .wait(Span::seconds(40), |_| {});
    assert_eq!(story.routed(), (1, 1));
    assert_eq!(story.weights(), [(2, 100), (1, 9_900)]);
    let run = story.wait(Span::minutes(10), |_| {});
    assert!(run.quiet && story.routed() == (1, 0));
}

#[test]
fn only_what_rolls_out_can_be_held_or_promoted() {
    let mut story = Story::begin(CANARY);
    let refused = |story: &Story, change: &Change| {
        apply(&story.intent, change, START).unwrap_err().to_string()
    };
    let (service, generation) = (key("web"), Generation(1));
    let pause = Change::PauseRollout {
        service,
        generation,
    };
    assert!(refused(&story, &pause).contains("rolls nothing out now"));
    story.update("two", CANARY);
    assert!(refused(&story, &pause).contains("generation 2 does"));
    story.promote(true);
    let again = Change::PromoteRollout {
        service: key("web"),
        generation: Generation(2),
        full: false,
    };
    assert!(refused(&story, &again).contains("waits for nobody"));
    assert_eq!(story.mark().stage, Stage::Rolling);
}

#[test]
fn what_was_left_comes_back_step_by_step_when_leaving_is_undone() {
    let mut story = Story::begin(CANARY);
    story.update("two", CANARY).wait(Span::seconds(40), |_| {});
    let back = Change::RollbackService {
        service: key("web"),
        to: Generation(1),
    };
    let undo = apply(&story.intent, &back, story.world.now())
        .unwrap()
        .inverse
        .unwrap();
    story.change(&back);
    assert_eq!(
        story.mark().stage,
        Stage::Rolling,
        "going back is done at once"
    );
    story.change(&undo);
    assert_eq!(story.mark(), canary(0, false));
}
