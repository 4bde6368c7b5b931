//! Rollouts of services whose traffic is measured by version: what harms goes back, what does not goes
//! on, what cannot be told waits, and none is stuck.

use std::collections::BTreeMap;

use ostler_core::{
    analysis::{Beginnings, Counters, Counts, Histogram, Verdict},
    change::{Change, apply},
    id::Generation,
    intent::Intent,
    plan::{Judged, Request},
    rollout::Stage,
    sim::{Dice, Faults, Moment, Quality, Run, World, run},
    time::{Span, Time},
};

use crate::common::{FAILING, SAME, SLOW, applying, key, next, verdict};

const START: Time = Time(1_000_000);

fn yaml(tag: &str, steps: &str, more: &str) -> String {
    format!(
        "image: web:{tag}\nreplicas: {{min: 10, max: 20}}\nprobes: {{readiness: {{tcp: {{port: 1}}}}}}\nupdate: {{strategy: {{canary: {{steps: {steps}}}}}, healthyDeadline: 1m, progressDeadline: 5m, pauseDeadline: 1h{more}}}\n"
    )
}

const ONE: &str = "[{share: 20%, bake: 2m}]";

/// A settled web of ten with so many requests a minute; `two` answers with this quality, `one` as usual.
struct Story {
    world: World,
    intent: Intent,
}

impl Story {
    fn begin(seed: u64, a_minute: Option<u64>, two: Quality) -> Self {
        let mut world = World::new(seed, START, Faults::none());
        let usual = Quality {
            errors: 20,
            slow: 40,
        };
        world.set_quality("web:one", usual);
        world.set_quality("web:two", two);
        if let Some(a_minute) = a_minute {
            world.set_traffic(key("web"), a_minute);
        }
        let intent = next(&Intent::default(), &applying("web", &yaml("one", ONE, "")));
        let mut story = Self { world, intent };
        assert!(story.wait(Span::minutes(10), |_| {}).quiet);
        story
    }

    fn wait(&mut self, span: Span, watch: impl FnMut(&Moment)) -> Run {
        let run = run(&mut self.world, self.intent.clone(), &[], span, watch);
        assert!(run.violations.is_empty(), "{:?}", run.violations);
        self.intent = run.intent.clone();
        run
    }

    fn update(&mut self, steps: &str, more: &str) -> &mut Self {
        self.change(&applying("web", &yaml("two", steps, more)))
    }

    fn change(&mut self, change: &Change) -> &mut Self {
        self.intent = apply(&self.intent, change, self.world.now())
            .unwrap()
            .intent;
        self
    }

    fn image(&self) -> &str {
        &self.intent.services[&key("web")].spec.image
    }
}

fn judged<'a>(moment: &'a Moment) -> Option<&'a Judged> {
    moment.plan.analysis.get(&key("web"))
}

/// Why it went back, and how long after the change.
fn back(story: &mut Story, span: Span) -> Option<(String, Span)> {
    let (began, mut why) = (story.world.now(), None);
    story.wait(span, |moment| {
        for request in &moment.plan.requests {
            if let Request::Revert { why: words, .. } = request {
                why.get_or_insert((words.clone(), moment.now.since(began)));
            }
        }
    });
    why
}

#[test]
fn what_fails_or_is_slow_goes_back_before_it_has_baked_and_says_why_in_numbers() {
    for (quality, expected) in [
        (FAILING, "requests fail"),
        (SLOW, "requests take longer than 50ms"),
    ] {
        let mut story = Story::begin(7, Some(3_000), quality);
        let (why, after) = back(story.update(ONE, ""), Span::minutes(30)).unwrap();
        assert!(why.starts_with("fail: ") && why.contains(expected), "{why}");
        assert!(after < Span::minutes(2), "{after}");
        assert_eq!(story.image(), "web:one");
        assert!(story.intent.services[&key("web")].settled);
    }
}

#[test]
fn as_good_as_before_it_passes_once_it_has_baked() {
    let mut story = Story::begin(7, Some(6_000), SAME);
    let mut verdicts = Vec::new();
    let run = story.update(ONE, "").wait(Span::minutes(30), |moment| {
        let verdict = judged(moment).and_then(verdict);
        if verdicts.last() != Some(&verdict) {
            verdicts.push(verdict);
        }
        let stage = moment.intent.services[&key("web")].stage();
        let on = matches!(&moment.plan.requests[..], [Request::Advance { to, .. }] if to.stage == Stage::Rolling);
        if on && matches!(stage, Stage::Canary { .. }) {
            assert_eq!(verdict, Some(Verdict::Pass));
        }
    });
    assert!(run.quiet && story.image() == "web:two", "{verdicts:?}");
    assert!(verdicts.contains(&Some(Verdict::NotEnough)), "{verdicts:?}");
}

#[test]
fn too_little_traffic_waits_says_so_and_goes_back_unless_somebody_promotes() {
    let mut story = Story::begin(7, Some(6), SAME);
    story.update(ONE, "").wait(Span::minutes(4), |_| {});
    let stage = story.intent.services[&key("web")].stage();
    assert_eq!(stage, Stage::Canary { step: 0 });
    let mut held = Story {
        world: story.world.clone(),
        intent: story.intent.clone(),
    };
    let (why, _) = back(&mut held, Span::minutes(30)).unwrap();
    let expected = "its time is over, not enough traffic to say: errors: ";
    assert!(why.starts_with(expected), "{why}");
    assert_eq!(held.image(), "web:one");
    let promote = Change::PromoteRollout {
        service: key("web"),
        generation: story.intent.services[&key("web")].generation,
        full: false,
    };
    let run = story.change(&promote).wait(Span::minutes(30), |_| {});
    assert!(run.quiet && story.image() == "web:two");
}

#[test]
fn where_nobody_measures_or_nothing_is_to_compare_readiness_alone_decides_and_that_is_said() {
    let off = ", analysis: {enabled: false}";
    let all = "[{share: 100%, bake: 1m}]";
    for (a_minute, steps, more, expected) in [
        (None, ONE, "", "nothing measures its traffic by version"),
        (Some(3_000), ONE, off, "`spec.update.analysis` is off"),
        (Some(3_000), all, "", "all traffic is on the new version"),
    ] {
        let mut story = Story::begin(7, a_minute, FAILING);
        let mut said = None;
        story.update(steps, more).wait(Span::minutes(30), |moment| {
            if let Some(judged) = judged(moment) {
                said.get_or_insert_with(|| judged.in_words());
            }
        });
        let expected = format!("judged by readiness alone: {expected}");
        assert_eq!((said.unwrap(), story.image()), (expected, "web:two"));
    }
}

#[test]
fn whoever_holds_it_decides_and_without_auto_revert_harm_stays_where_it_is() {
    let mut story = Story::begin(7, Some(3_000), FAILING);
    story.update(ONE, "").wait(Span::seconds(12), |_| {});
    let pause = Change::PauseRollout {
        service: key("web"),
        generation: story.intent.services[&key("web")].generation,
    };
    let mut seen = None;
    story.change(&pause).wait(Span::minutes(10), |moment| {
        seen = judged(moment).and_then(verdict).or(seen);
    });
    assert_eq!((seen, story.image()), (Some(Verdict::Fail), "web:two"));
    let mut story = Story::begin(7, Some(3_000), FAILING);
    story
        .update(ONE, ", autoRevert: false")
        .wait(Span::minutes(60), |_| {});
    let stage = story.intent.services[&key("web")].stage();
    assert_eq!(
        (stage, story.image()),
        (Stage::Canary { step: 0 }, "web:two")
    );
}

/// Counts that are about another stage, or were lost, are no verdict.
#[test]
fn each_step_is_judged_by_its_own_counts() {
    let steps = "[{share: 20%, bake: 2m}, {share: 50%, bake: 2m}]";
    let mut story = Story::begin(7, Some(6_000), SAME);
    let mut step = None;
    let run = story.update(steps, "").wait(Span::minutes(40), |moment| {
        let Some(judged) = judged(moment) else {
            return;
        };
        if step != Some(judged.stage) {
            assert_eq!(verdict(judged), Some(Verdict::NotEnough), "{judged:?}");
        }
        step = Some(judged.stage);
    });
    assert!(run.quiet && story.image() == "web:two");
}

/// What a proxy counts only ever grows; what is judged is what came since the stage began.
#[test]
fn counters_become_counts_of_a_stage_and_begin_anew_with_it_or_when_they_go_back() {
    let intent = next(&Intent::default(), &applying("web", &yaml("one", ONE, "")));
    let stand = |requests: u64, errors: u64| {
        let latency = Histogram(BTreeMap::from([(50_000, requests)]));
        let counts = Counts {
            requests,
            errors,
            latency,
            ..Counts::default()
        };
        Counters::from([(key("web"), BTreeMap::from([(Generation(1), counts)]))])
    };
    let mut beginnings = Beginnings::default();
    let mut requests = |intent: &Intent, counters: &Counters, now| {
        let measured = beginnings.since(intent, counters, Time(now));
        let web = &measured[&key("web")];
        let counts = web.versions.get(&Generation(1));
        (
            web.since.0,
            counts.map(|counts| (counts.requests, counts.latency.total())),
        )
    };
    assert_eq!(requests(&intent, &stand(100, 1), 1), (1, None));
    assert_eq!(requests(&intent, &stand(150, 2), 2), (1, Some((50, 50))));
    let settled = crate::common::settle(&intent, "web");
    let two = next(&settled, &applying("web", &yaml("two", ONE, "")));
    assert_eq!(requests(&two, &stand(160, 2), 3), (3, None));
    assert_eq!(requests(&two, &stand(170, 2), 4), (3, Some((10, 10))));
    assert_eq!(
        requests(&two, &stand(5, 0), 5),
        (5, None),
        "the proxy is another"
    );
    assert_eq!(requests(&two, &stand(9, 0), 6), (5, Some((4, 4))));
}

/// Many worlds: harm never stays, what is fine nearly always does, too little never passes, none is stuck.
#[test]
fn harm_goes_back_the_fine_goes_on_too_little_waits_and_none_is_stuck() {
    let seeds: u64 = std::env::var("ROLLOUT_SEEDS")
        .ok()
        .and_then(|many| many.parse().ok())
        .unwrap_or(40);
    let (mut fine, mut lost) = (0, 0);
    for seed in 0..seeds {
        let mut dice = Dice::new(seed);
        let shares = [(dice.between(10, 40), dice.between(41, 90))];
        let steps = shares.map(|(first, second)| {
            let bake = dice.between(0, 180);
            format!("[{{share: {first}%, bake: {bake}s}}, {{share: {second}%, bake: 60s}}]")
        });
        let (quality, rate) = (dice.below(3), dice.below(3));
        let two = [SAME, FAILING, SLOW][usize::try_from(quality).unwrap()];
        let a_minute = [0, 3, 6_000][usize::try_from(rate).unwrap()];
        let mut story = Story::begin(seed, Some(a_minute), two);
        if dice.chance(300) {
            // The daemon dies now and then, and what was counted with it.
            let until = story.world.now() + Span::minutes(5);
            let restarts = Faults {
                restarts: 300,
                until,
                ..Faults::none()
            };
            story.world.set_faults(restarts);
        }
        let run = story.update(&steps[0], "").wait(Span::minutes(120), |_| {});
        let service = &run.intent.services[&key("web")];
        assert!(run.quiet && service.settled, "seed {seed}: {service:?}");
        let stayed = story.image() == "web:two";
        match (quality, rate) {
            (0, 2) => {
                fine += 1;
                lost += u32::from(!stayed);
            }
            _ => assert!(
                !stayed,
                "seed {seed}: {two:?} with {a_minute} a minute stayed"
            ),
        }
    }
    assert!(
        f64::from(lost) <= (0.05 * f64::from(fine)).max(1.0),
        "{lost} of {fine}"
    );
}
