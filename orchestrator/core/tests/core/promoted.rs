//! Blue/green, judged: what does harm once it has the traffic is switched back to what was kept, what does none
//! finishes, and what cannot be told is said. A preview whose runs fail goes back before it ever has traffic.

use std::collections::BTreeSet;

use ostler_core::{
    analysis::Verdict,
    change::Change,
    id::{Generation, InstanceId},
    intent::Intent,
    plan::{Basis, Judged, Request},
    rollout::Stage,
    sim::{Dice, Faults, Flaw, Moment, Quality, Run, Temper, World, run},
    time::{Span, Time},
};

use crate::common::{FAILING, SAME, SLOW, applying, key, next, verdict};

const START: Time = Time(10_000_000);
const BOTH: &str = "{blueGreen: {promote: automatic, bake: 2m, keepOld: 5m}}";
const KEEP: Span = Span::minutes(5);
/// The simulated daemon sees what it asked for up to so many milliseconds later, so a promotion too.
const LATE_MS: u64 = 5_000;
const PROGRESS: Span = Span::minutes(4);

fn yaml(tag: &str, strategy: &str, more: &str) -> String {
    format!(
        "image: web:{tag}\nreplicas: {{min: 4, max: 8}}\nprobes: {{readiness: {{tcp: {{port: 1}}}}}}\nupdate: {{strategy: {strategy}, healthyDeadline: 1m, progressDeadline: 4m, pauseDeadline: 1h{more}}}\n"
    )
}

/// So many seconds more.
fn later(span: Span, seconds: u64) -> Span {
    Span(span.0 + Span::seconds(seconds).0)
}

/// A web of four with so many requests a minute: `one` has run for an hour, `two` answers with this quality.
struct Story {
    world: World,
    intent: Intent,
    old: BTreeSet<InstanceId>,
}

/// How its rollout ended.
#[derive(Debug, Default)]
struct End {
    promoted: Option<Time>,
    back: Option<(String, Time)>,
    /// When it went on, with what could not be told.
    on: Option<(Option<String>, Time)>,
    judged: Vec<Judged>,
}

impl End {
    fn note(&mut self, moment: &Moment) {
        let service = &moment.intent.services[&key("web")];
        if service.stage() == Stage::Promoted {
            self.promoted.get_or_insert(moment.now);
        }
        let judged = moment.plan.analysis.get(&key("web"));
        if let Some(judged) = judged.filter(|judged| self.judged.last() != Some(*judged)) {
            self.judged.push(judged.clone());
        }
        for request in &moment.plan.requests {
            match request {
                Request::Revert { why, .. } => {
                    self.back.get_or_insert((why.clone(), moment.now));
                }
                Request::Advance { from, unjudged, .. } if from.stage == Stage::Promoted => {
                    self.on.get_or_insert((unjudged.clone(), moment.now));
                    let silent = judged.and_then(verdict) != Some(Verdict::Pass);
                    let by_traffic =
                        judged.is_some_and(|one| matches!(one.by, Basis::Traffic { .. }));
                    assert!(!(by_traffic && silent && unjudged.is_none()), "{judged:?}");
                }
                _ => {}
            }
        }
    }

    /// Why it went back, and how long after it had the traffic, at most.
    fn went_back(&self) -> (&str, Span) {
        let (why, at) = self.back.as_ref().unwrap();
        (
            why.as_str(),
            Span(at.since(self.promoted.unwrap()).0 + LATE_MS),
        )
    }

    /// What could not be told, and how long the old one was kept, at most.
    fn went_on(&self) -> (Option<&str>, Span) {
        assert_eq!(self.back, None);
        let (unjudged, at) = self.on.as_ref().unwrap();
        let kept = Span(at.since(self.promoted.unwrap()).0 + LATE_MS);
        (unjudged.as_deref(), kept)
    }
}

impl Story {
    fn begin(seed: u64, a_minute: Option<u64>, two: Quality) -> Self {
        let mut world = World::new(seed, START, Faults::none());
        world.set_quality("web:one", SAME);
        world.set_quality("web:two", two);
        if let Some(a_minute) = a_minute {
            world.set_traffic(key("web"), a_minute);
        }
        let intent = next(&Intent::default(), &applying("web", &yaml("one", BOTH, "")));
        let first = run(&mut world, intent, &[], Span::minutes(10), |_| {});
        assert!(first.quiet);
        let old = world.observe().instances.into_keys().collect();
        Self {
            world,
            intent: first.intent,
            old,
        }
    }

    fn wait(&mut self, span: Span, script: &[(Time, Change)], end: &mut End) -> Run {
        let run = run(
            &mut self.world,
            self.intent.clone(),
            script,
            span,
            |moment| {
                end.note(moment);
            },
        );
        assert!(run.violations.is_empty(), "{:?}", run.violations);
        self.intent = run.intent.clone();
        run
    }

    /// The second version, an hour after the first.
    fn update(&mut self, strategy: &str, more: &str) -> End {
        let (mut end, hour) = (End::default(), Span::minutes(60));
        let change = applying("web", &yaml("two", strategy, more));
        let script = [(self.world.now() + hour, change)];
        self.wait(later(hour, 1), &script, &mut end);
        end
    }

    /// The same until it has the traffic.
    fn promoted(&mut self, strategy: &str) -> End {
        let mut end = self.update(strategy, "");
        let latest = self.world.now() + Span::minutes(10);
        while end.promoted.is_none() {
            assert!(end.back.is_none() && self.world.now() < latest, "{end:?}");
            self.wait(Span::seconds(1), &[], &mut end);
        }
        end
    }

    fn finish(&mut self, end: &mut End) {
        let last = self.wait(Span::minutes(180), &[], end);
        assert!(last.quiet && self.intent.services[&key("web")].settled);
        assert_eq!(self.world.observe().instances.len(), 4);
    }

    /// What becomes of the second version.
    fn told(&mut self, strategy: &str, more: &str) -> End {
        let mut end = self.update(strategy, more);
        self.finish(&mut end);
        end
    }

    /// The daemon dies now, and with it what it counted.
    fn forget(&mut self) {
        let until = self.world.now() + Span::seconds(30);
        self.world.set_faults(Faults {
            restarts: 1_000,
            until,
            ..Faults::none()
        });
    }

    fn image(&self) -> &str {
        &self.intent.services[&key("web")].spec.image
    }

    fn instances(&self) -> BTreeSet<InstanceId> {
        self.world.observe().instances.into_keys().collect()
    }
}

#[test]
fn what_does_harm_with_the_traffic_is_switched_back_to_what_was_kept_with_numbers() {
    let warm = Span::seconds(30);
    for (quality, expected, least, most) in [
        (FAILING, "requests fail, ", Span(0), Span::seconds(25)),
        (
            SLOW,
            "requests take longer than 100ms, ",
            warm,
            Span::seconds(60),
        ),
    ] {
        let mut story = Story::begin(7, Some(3_000), quality);
        let end = story.told(BOTH, "");
        let (why, after) = end.went_back();
        assert!(why.starts_with("fail: ") && why.contains(expected), "{why}");
        assert!(why.contains("of the last good version before it"), "{why}");
        assert!(least <= after && after <= most, "{after}: {why}");
        assert_eq!(story.image(), "web:one");
        assert_eq!(story.instances(), story.old, "the same as all along");
    }
}

#[test]
fn as_good_as_before_it_finishes_when_the_old_one_was_kept_long_enough() {
    let mut story = Story::begin(7, Some(3_000), SAME);
    let end = story.told(BOTH, "");
    let (unjudged, kept) = end.went_on();
    assert_eq!((unjudged, story.image()), (None, "web:two"));
    assert!(KEEP <= kept && kept < later(KEEP, 20), "{kept}");
    let first = end.judged.iter().find(|one| one.stage == Stage::Promoted);
    assert_eq!(first.and_then(verdict), Some(Verdict::NotEnough));
}

#[test]
fn without_traffic_it_finishes_in_time_and_says_that_nothing_could_be_told() {
    let mut story = Story::begin(7, Some(0), FAILING);
    let end = story.told(BOTH, "");
    let (unjudged, kept) = end.went_on();
    let words = unjudged.unwrap();
    assert!(
        words.starts_with("not enough traffic to say: errors: "),
        "{words}"
    );
    assert!(words.contains("before it nothing is known"), "{words}");
    assert!(
        kept < later(KEEP, 20),
        "nothing more would come of it: {kept}"
    );
    assert_eq!(story.image(), "web:two");
}

#[test]
fn with_little_traffic_the_old_one_is_kept_longer_but_not_for_ever() {
    let mut story = Story::begin(7, Some(60), SAME);
    let end = story.told(BOTH, "");
    let (unjudged, kept) = end.went_on();
    let words = unjudged.unwrap();
    assert!(
        words.starts_with("not enough traffic to say: errors: "),
        "{words}"
    );
    let longest = Span(KEEP.0 + PROGRESS.0);
    assert!(longest <= kept && kept < later(longest, 20), "{kept}");
    assert_eq!(story.image(), "web:two");
}

#[test]
fn a_daemon_that_forgot_what_was_before_neither_goes_back_nor_is_silent() {
    for quality in [SAME, FAILING, SLOW] {
        let mut story = Story::begin(7, Some(3_000), quality);
        let mut end = story.promoted(BOTH);
        story.forget();
        story.finish(&mut end);
        let (unjudged, kept) = end.went_on();
        let words = unjudged.unwrap();
        assert!(words.contains("before it nothing is known"), "{words}");
        assert!(kept < later(KEEP, 20), "{kept}");
        assert_eq!(story.image(), "web:two");
    }
}

#[test]
fn where_nobody_counts_or_nobody_wants_it_nothing_is_said_of_traffic() {
    let off = ", analysis: {enabled: false}";
    let none = "{blueGreen: {bake: 2m, keepOld: 0s}}";
    for (a_minute, strategy, more, expected) in [
        (
            None,
            BOTH,
            "",
            "pass, judged by readiness and failed runs: nothing measures its traffic by version",
        ),
        (
            Some(3_000),
            BOTH,
            off,
            "judged by readiness alone: `spec.update.analysis` is off",
        ),
        (
            Some(3_000),
            none,
            "",
            "judged by readiness alone: `keepOld` is 0s, there is no time to look",
        ),
    ] {
        let mut story = Story::begin(7, a_minute, FAILING);
        let end = story.told(strategy, more);
        assert_eq!((end.went_on().0, story.image()), (None, "web:two"));
        let said = end.judged.iter().rfind(|one| one.stage == Stage::Promoted);
        assert_eq!(said.unwrap().in_words(), expected);
    }
}

#[test]
fn whoever_holds_it_decides_and_without_auto_revert_harm_stays_with_the_old_one_kept() {
    let mut story = Story::begin(7, Some(3_000), FAILING);
    let mut end = story.promoted(BOTH);
    let pause = Change::PauseRollout {
        service: key("web"),
        generation: Generation(2),
    };
    let now = story.world.now();
    story.wait(Span::minutes(30), &[(now, pause)], &mut end);
    let last = end.judged.last().and_then(verdict);
    assert_eq!((last, end.back.is_none()), (Some(Verdict::Fail), true));
    assert_eq!(story.world.observe().instances.len(), 8);

    let mut story = Story::begin(7, Some(3_000), FAILING);
    let mut end = story.update(BOTH, ", autoRevert: false");
    story.wait(Span::minutes(60), &[], &mut end);
    let stage = story.intent.services[&key("web")].stage();
    assert_eq!((stage, story.image()), (Stage::Promoted, "web:two"));
    assert!(end.back.is_none() && end.on.is_none());
    assert_eq!(story.world.observe().instances.len(), 8, "the old one too");
}

#[test]
fn a_preview_whose_runs_fail_goes_back_before_it_has_traffic_whoever_was_to_promote_it() {
    let mut story = Story::begin(7, None, SAME);
    let leaks = Temper {
        flaw: Flaw::OutOfMemory {
            after: Span::seconds(20),
        },
        ..Temper::default()
    };
    story.world.set_temper("web:two", leaks);
    let end = story.told("{blueGreen: {promote: manual, bake: 2m, keepOld: 5m}}", "");
    let (why, at) = end.back.unwrap();
    assert!(why.starts_with("fail: restarts: "), "{why}");
    assert!(why.contains(" failed runs in "), "{why}");
    assert!(at.since(START) < Span::minutes(60 + 5), "{at:?}");
    assert_eq!((end.promoted, story.image()), (None, "web:one"));
    assert_eq!(story.instances(), story.old);
}

/// Many worlds: harm that shows goes back, the fine stays nearly always, and nobody stays unsaid.
#[test]
fn harm_goes_back_the_fine_stays_what_is_unclear_is_said_and_none_is_stuck() {
    let seeds: u64 = std::env::var("ROLLOUT_SEEDS")
        .ok()
        .and_then(|many| many.parse().ok())
        .unwrap_or(40);
    let (mut fine, mut lost) = (0, 0);
    for seed in 0..seeds {
        let mut dice = Dice::new(seed);
        let (bake, keep) = (dice.between(60, 120), dice.between(60, 300));
        let strategy = format!("{{blueGreen: {{bake: {bake}s, keepOld: {keep}s}}}}");
        let (quality, rate) = (dice.below(3), dice.below(3));
        let two = [SAME, FAILING, SLOW][usize::try_from(quality).unwrap()];
        let a_minute = [0, 3, 6_000][usize::try_from(rate).unwrap()];
        let mut story = Story::begin(seed, Some(a_minute), two);
        let mut end = story.update(&strategy, "");
        let dies = dice.chance(300);
        if dies {
            let until = story.world.now() + Span::minutes(5);
            story.world.set_faults(Faults {
                restarts: 300,
                until,
                ..Faults::none()
            });
        }
        story.finish(&mut end);
        let stayed = story.image() == "web:two";
        match (quality, rate) {
            // A daemon that dies forgets what was before, and lets instances go that it had just started.
            _ if dies => {}
            (0, 2) => {
                fine += 1;
                lost += u32::from(!stayed);
            }
            (_, 2) => assert!(!stayed, "seed {seed}: {two:?} stayed"),
            // Nothing can be told, and that is told.
            _ => assert!(stayed && end.went_on().0.is_some(), "seed {seed}: {end:?}"),
        }
    }
    assert!(
        f64::from(lost) <= (0.05 * f64::from(fine)).max(1.0),
        "{lost} of {fine}"
    );
}
