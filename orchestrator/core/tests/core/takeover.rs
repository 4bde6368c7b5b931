//! How often verdicts on versions that took all the traffic at once are wrong, by simulation: the old one's requests
//! are over, and somebody looks at the new one's every few requests until the old one is no longer kept.
//! `ANALYSIS_RUNS` says how many are tried; with it the tables of `docs/rollouts.md` are printed.

use ostler_core::{
    analysis::{Counts, Judgement, Measure, Pair, Rules, Verdict, judge_runs, judge_takeover},
    sim::Dice,
    spec::Analysis,
    time::Span,
};

use crate::analysis::{Traffic, errors, is_asked_for, runs, serve, tell, unit};

/// Requests of the new version between two looks.
const LOOK: u64 = 25;
const HORIZONS: [u64; 4] = [100, 250, 1_000, 5_000];
const RATES: [f64; 6] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1];

fn judged(pair: &Pair) -> Judgement {
    let analysis = Analysis::default();
    let rules = Rules {
        analysis: &analysis,
        steps: 1,
    };
    judge_takeover(rules, pair)
}

/// What became of one version while the old one was kept.
struct Kept {
    /// After how many requests it failed, if it did.
    failed: Option<u64>,
    /// Whether it passed at any look before that.
    passed: bool,
    /// What the last look said.
    last: Verdict,
}

/// The new version has `end` requests while the old one is kept, which had `before` of them before.
fn keep(new: Traffic, (old, before): (Traffic, u64), end: u64, dice: &mut Dice) -> Kept {
    let mut pair = Pair::default();
    serve(&mut pair.old, old, before, dice);
    let mut kept = Kept {
        failed: None,
        passed: false,
        last: Verdict::NotEnough,
    };
    while pair.new.requests < end {
        serve(&mut pair.new, new, LOOK, dice);
        kept.last = judged(&pair).verdict;
        kept.passed |= kept.last == Verdict::Pass;
        if kept.last == Verdict::Fail {
            kept.failed = Some(pair.new.requests);
            break;
        }
    }
    kept
}

fn many(seed: u64, runs: u32, new: Traffic, old: (Traffic, u64), end: u64) -> Vec<Kept> {
    let one = |run: u32| keep(new, old, end, &mut Dice::new(seed ^ (u64::from(run) << 20)));
    (0..runs).map(one).collect()
}

fn share(all: &[Kept], is: impl Fn(&Kept) -> bool) -> f64 {
    let count = |many: usize| f64::from(u32::try_from(many).unwrap());
    count(all.iter().filter(|one| is(one)).count()) / count(all.len())
}

/// The figure that is stated: what the hour may bring, up to twice the errors, sends nobody back.
#[test]
fn versions_as_good_as_before_are_seldom_sent_back_though_the_hour_doubles_the_errors() {
    let runs = runs(150);
    let end = if is_asked_for() { 5_000 } else { 2_000 };
    for before in [500, 5_000] {
        for rate in RATES {
            for hour in [1.0, 1.5, 2.0] {
                let all = many(1, runs, errors(rate * hour), (errors(rate), before), end);
                let fail = share(&all, |one| one.failed.is_some());
                let pass = share(&all, |one| one.last == Verdict::Pass);
                tell(&format!(
                    "{before} before, {rate}, the hour brings × {hour}: {fail:.4} sent back, {pass:.4} pass at {end}"
                ));
                assert!(fail <= 0.02, "{before}, {rate} × {hour}: {fail}");
            }
        }
    }
}

#[test]
fn versions_that_do_harm_seldom_pass() {
    let runs = runs(150);
    for before in [500, 5_000] {
        for rate in [0.005, 0.01, 0.02, 0.05, 0.1] {
            let all = many(2, runs, errors(rate * 2.0), (errors(rate), before), 2_000);
            let pass = share(&all, |one| one.passed);
            tell(&format!("{before} before, {rate} × 2: {pass:.4} pass"));
            assert!(pass <= 0.05, "{before}, {rate}: {pass}");
        }
    }
}

#[test]
fn what_is_plain_is_found_soon() {
    let runs = runs(150);
    for (old, new, within) in [(0.0, 0.08, 500), (0.005, 0.1, 500), (0.02, 0.15, 1_000)] {
        let all = many(3, runs, errors(new), (errors(old), 2_000), within);
        let found = share(&all, |one| one.failed.is_some());
        assert!(found >= 0.95, "{old} → {new}: {found}");
    }
}

/// The table of `docs/rollouts.md`, when asked for: sent back by so many requests, and pass at the end, in percent.
#[test]
fn the_table() {
    if !is_asked_for() {
        return;
    }
    for rate in RATES {
        for times in [1.0, 1.5, 2.0, 3.0, 5.0, 10.0] {
            let all = many(
                4,
                runs(0),
                errors(rate * times),
                (errors(rate), 5_000),
                5_000,
            );
            let percent = |share: f64| format!("{:.1}", share * 100.0);
            let cell = |horizon: &u64| {
                let by = |one: &Kept| one.failed.is_some_and(|after| after <= *horizon);
                percent(share(&all, by))
            };
            let cells: Vec<String> = HORIZONS.iter().map(cell).collect();
            let pass = percent(share(&all, |one| one.last == Verdict::Pass));
            tell(&format!(
                "| {} % | {times} × | {} | {pass} |",
                rate * 100.0,
                cells.join(" | ")
            ));
        }
    }
}

/// Everything measured at once, and nothing worse but for the hour, which makes requests half as slow again.
#[test]
fn with_all_measures_together_good_versions_are_seldom_sent_back() {
    let runs = runs(200);
    let mut sent_back = 0;
    for run in 0..runs {
        let mut dice = Dice::new(77 ^ (u64::from(run) << 20));
        let of = |hour: f64| Traffic {
            errors: 0.02 * hour,
            latency: Some(30.0 * hour),
        };
        let mut pair = Pair::default();
        serve(&mut pair.old, of(1.0), 3_000, &mut dice);
        // Of four instances one fails once in fifty looks.
        let live = |counts: &mut Counts, looks: u64, dice: &mut Dice| {
            counts.there.0 += 4 * 10_000 * looks;
            for _ in 0..4 * looks {
                counts.restarts += u64::from(unit(dice) < 0.02);
                counts.out_of_memory += u64::from(unit(dice) < 0.02);
            }
        };
        live(&mut pair.old, 60, &mut dice);
        let fails = (0..60).any(|_| {
            serve(&mut pair.new, of(1.5), 50, &mut dice);
            live(&mut pair.new, 1, &mut dice);
            judged(&pair).verdict == Verdict::Fail
        });
        sent_back += u32::from(fails);
    }
    tell(&format!("all measures: {sent_back} of {runs} sent back"));
    assert!(f64::from(sent_back) <= 0.02 * f64::from(runs));
}

/// Requests that all take so many times as long: the hour is held to do the little, not the much.
#[test]
fn what_is_somewhat_slower_stays_and_what_is_much_slower_goes_back() {
    let slower = |times: f64| {
        let of = |median: f64| Traffic {
            errors: 0.0,
            latency: Some(median),
        };
        let all = many(5, runs(40), of(40.0 * times), (of(40.0), 3_000), 2_000);
        share(&all, |one| one.failed.is_some())
    };
    assert!(slower(1.5) <= 0.02);
    assert!(slower(4.0) >= 0.95);
    // Below what a machine's own hour does, nobody looks.
    let of = |median: f64| Traffic {
        errors: 0.0,
        latency: Some(median),
    };
    let all = many(6, runs(20), of(3.0), (of(0.5), 3_000), 2_000);
    assert!(share(&all, |one| one.failed.is_some()) <= 0.02);
}

fn counts(requests: u64, errors: u64) -> Counts {
    Counts {
        requests,
        errors,
        ..Counts::default()
    }
}

#[test]
fn where_nothing_is_known_of_before_nothing_is_said() {
    let nothing = judged(&Pair::default());
    assert_eq!(nothing.verdict, Verdict::NotEnough);
    for errors in [0, 5_000] {
        let pair = Pair {
            new: counts(5_000, errors),
            old: Counts::default(),
        };
        let judgement = judged(&pair);
        assert_eq!(judgement.verdict, Verdict::NotEnough, "{errors}");
        let words = judgement.in_words();
        assert!(words.contains("before it nothing is known"), "{words}");
    }
}

#[test]
fn a_moments_trouble_sends_nobody_back_and_an_outage_does() {
    let of = |requests, errors| Pair {
        new: counts(requests, errors),
        old: counts(5_000, 0),
    };
    assert_eq!(judged(&of(4, 4)).verdict, Verdict::NotEnough);
    assert_eq!(judged(&of(5, 5)).verdict, Verdict::Fail);
    assert_eq!(judged(&of(99, 0)).verdict, Verdict::NotEnough);
    assert_eq!(judged(&of(1_000, 0)).verdict, Verdict::Pass);
    assert_eq!(judged(&of(1_000, 20)).verdict, Verdict::NotEnough);
}

#[test]
fn what_is_said_has_the_numbers() {
    let pair = Pair {
        new: counts(400, 32),
        old: counts(5_000, 5),
    };
    let words = judged(&pair).in_words();
    insta::assert_snapshot!(words, @"fail: errors: 8.00 % of 400 requests fail, 0.10 % of 5000 of the last good version before it; chance of that if it did no harm (at least 2 times as many and 1.00 %): 0.40 %, if it did: 100 %");
}

/// Failed runs of four instances in so many minutes, against those of the hour before.
fn failed_runs(events: u64, minutes: u64, before: u64) -> Judgement {
    let of = |restarts, minutes| Counts {
        restarts,
        out_of_memory: restarts,
        there: Span(4 * Span::minutes(minutes).0),
        ..Counts::default()
    };
    let pair = Pair {
        new: of(events, minutes),
        old: of(before, 60),
    };
    let analysis = Analysis::default();
    let rules = Rules {
        analysis: &analysis,
        steps: 1,
    };
    judge_runs(rules, &pair)
}

#[test]
fn runs_that_fail_again_and_again_are_found_and_those_that_always_did_are_not() {
    let fails = failed_runs(9, 2, 0);
    assert_eq!(fails.verdict, Verdict::Fail, "{fails:?}");
    let words = fails.in_words();
    assert!(
        words.contains(
            "9 failed runs in 8 instance-minutes, 0 in 240 of the last good version before it"
        ),
        "{words}"
    );
    assert_eq!(failed_runs(4, 1, 0).verdict, Verdict::Pass, "too few");
    // Each instance failed every quarter of an hour before, too.
    assert_eq!(failed_runs(5, 10, 16).verdict, Verdict::Pass);
    let of = |judgement: Judgement| judgement.findings[1].measure;
    assert_eq!(of(failed_runs(0, 1, 0)), Measure::OutOfMemory);
    // Nobody was there before.
    let nobody = Pair {
        new: counts(0, 0),
        old: counts(0, 0),
    };
    assert!(
        judged(&nobody)
            .findings
            .iter()
            .all(|one| one.measure == Measure::Errors)
    );
}
