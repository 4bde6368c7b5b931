//! How often verdicts are wrong, by simulation: every few requests somebody looks, and the first verdict
//! stands. `ANALYSIS_RUNS` says how many rollouts of each kind are tried; with it the tables of
//! `docs/rollouts.md` are printed.

use ostler_core::{
    analysis::{Counts, Judgement, Measure, Pair, Rules, Spread, Verdict, judge},
    sim::Dice,
    spec::Analysis,
    time::Span,
};

/// Requests of the new version between two looks.
const LOOK: u64 = 25;
const HORIZONS: [u64; 4] = [250, 500, 1_000, 5_000];
/// Upper bounds of latency in microseconds, as an exporter has them.
const BOUNDS: [u64; 11] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000,
];

pub fn runs(usual: u32) -> u32 {
    let said = std::env::var("ANALYSIS_RUNS").unwrap_or_default();
    said.parse().unwrap_or(usual)
}

pub fn is_asked_for() -> bool {
    std::env::var_os("ANALYSIS_RUNS").is_some()
}

#[expect(clippy::print_stderr, reason = "tables are told on demand")]
pub fn tell(line: &str) {
    if is_asked_for() {
        eprintln!("{line}");
    }
}

/// Requests as they come: how often they fail, and how long they take.
#[derive(Clone, Copy)]
pub struct Traffic {
    pub errors: f64,
    /// The median in milliseconds; the spread is that of a web server. `None` where that is not measured.
    pub latency: Option<f64>,
}

pub fn errors(errors: f64) -> Traffic {
    Traffic {
        errors,
        latency: None,
    }
}

pub fn unit(dice: &mut Dice) -> f64 {
    f64::from(u32::try_from(dice.throw() >> 32).unwrap()) / f64::from(u32::MAX)
}

fn normal(dice: &mut Dice) -> f64 {
    let radius = (-2.0 * unit(dice).max(1e-12).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(dice)).cos()
}

pub fn serve(counts: &mut Counts, traffic: Traffic, requests: u64, dice: &mut Dice) {
    for _ in 0..requests {
        counts.requests += 1;
        counts.errors += u64::from(unit(dice) < traffic.errors);
        if let Some(median) = traffic.latency {
            let took = median * 1_000.0 * (0.7 * normal(dice)).exp();
            let above = |bound: &&u64| took <= f64::from(u32::try_from(**bound).unwrap());
            let bound = BOUNDS.iter().find(above).copied().unwrap_or(u64::MAX);
            *counts.latency.0.entry(bound).or_default() += 1;
        }
    }
}

/// The first verdict of one step, and after how many requests of the new version; looked at until `end`.
/// The old version has `many` times as many requests.
fn step(
    pair: &mut Pair,
    (new, old, many): (Traffic, Traffic, u64),
    end: u64,
    dice: &mut Dice,
) -> (Verdict, u64) {
    let analysis = Analysis::default();
    let rules = Rules {
        analysis: &analysis,
        steps: 1,
    };
    while pair.new.requests < end {
        serve(&mut pair.new, new, LOOK, dice);
        serve(&mut pair.old, old, LOOK * many, dice);
        let judgement = judge(rules, pair);
        if judgement.verdict != Verdict::NotEnough {
            return (judgement.verdict, pair.new.requests);
        }
    }
    (Verdict::NotEnough, end)
}

/// Shares of runs that failed and that passed within so many requests of the new version.
struct Rates {
    outcomes: Vec<(Verdict, u64)>,
}

impl Rates {
    fn of(seed: u64, runs: u32, what: (Traffic, Traffic, u64), end: u64) -> Self {
        let one = |run: u32| {
            let mut dice = Dice::new(seed ^ (u64::from(run) << 20));
            step(&mut Pair::default(), what, end, &mut dice)
        };
        Self {
            outcomes: (0..runs).map(one).collect(),
        }
    }

    fn within(&self, verdict: Verdict, requests: u64) -> f64 {
        let such = |outcome: &&(Verdict, u64)| outcome.0 == verdict && outcome.1 <= requests;
        let count = u32::try_from(self.outcomes.iter().filter(such).count()).unwrap();
        f64::from(count) / f64::from(u32::try_from(self.outcomes.len()).unwrap())
    }
}

const RATES: [f64; 6] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1];

#[test]
fn versions_as_good_as_before_are_seldom_sent_back_however_often_one_looks() {
    let runs = runs(600);
    for (many, rates) in [(1, &RATES[..]), (9, &RATES[2..5])] {
        for rate in rates {
            for times in [1.0, 1.1] {
                let what = (errors(rate * times), errors(*rate), many);
                let end = if is_asked_for() { 5_000 } else { 1_000 };
                let found = Rates::of(1, runs, what, end);
                let (fail, pass) = (
                    found.within(Verdict::Fail, end),
                    found.within(Verdict::Pass, end),
                );
                tell(&format!(
                    "old × {many}, {rate} × {times}: {fail:.4} sent back, {pass:.4} passed within {end}"
                ));
                assert!(fail <= 0.02, "{rate} × {times}: {fail}");
            }
        }
    }
}

/// Whatever happens to both at the same time cancels out, and a share that is not quite the same at all times
/// does no harm either.
#[test]
fn outages_of_both_and_shares_that_sway_send_nobody_back() {
    let (analysis, runs) = (Analysis::default(), runs(600));
    let rules = Rules {
        analysis: &analysis,
        steps: 1,
    };
    for sways in [false, true] {
        let mut sent_back = 0;
        for run in 0..runs {
            let mut dice = Dice::new(55 ^ (u64::from(run) << 20));
            let mut pair = Pair::default();
            let fails = (0..80).any(|look| {
                let outage = !sways && look % 20 > 16;
                let rate = if outage { 0.4 } else { 0.02 };
                let part = if sways { dice.below(2 * LOOK) } else { LOOK };
                serve(&mut pair.new, errors(rate), part, &mut dice);
                serve(&mut pair.old, errors(rate), LOOK * 4, &mut dice);
                judge(rules, &pair).verdict == Verdict::Fail
            });
            sent_back += u32::from(fails);
        }
        tell(&format!(
            "shares sway {sways}: {sent_back} of {runs} sent back"
        ));
        assert!(
            f64::from(sent_back) <= 0.02 * f64::from(runs),
            "{sways}: {sent_back}"
        );
    }
}

/// The line that the analysis was made for: of versions with twice the errors, one in twenty at most passes,
/// at any number of requests; where the floor says so, what is below it is no harm.
#[test]
fn versions_that_do_harm_seldom_pass() {
    let runs = runs(600);
    for rate in [0.005, 0.01, 0.02, 0.05, 0.1] {
        for many in [1, 9] {
            let what = (errors(rate * 2.0), errors(rate), many);
            let found = Rates::of(2, runs, what, 1_000);
            let (fail, pass) = (
                found.within(Verdict::Fail, 1_000),
                found.within(Verdict::Pass, 1_000),
            );
            tell(&format!(
                "old × {many}, {rate} × 2 at 1000: {pass:.4} passed, {fail:.4} sent back"
            ));
            assert!(pass <= 0.05, "{rate}: {pass}");
        }
    }
}

#[test]
fn what_is_plain_is_found_within_a_thousand_requests() {
    let runs = runs(600);
    for (rate, times) in [(0.1, 2.0), (0.05, 3.0), (0.02, 5.0)] {
        let what = (errors(rate * times), errors(rate), 1);
        let found = Rates::of(3, runs, what, 1_000).within(Verdict::Fail, 1_000);
        assert!(found >= 0.95, "{rate} × {times}: {found}");
    }
}

/// The table of `docs/rollouts.md`, when asked for: sent back / passed, in percent.
#[test]
fn the_table() {
    if !is_asked_for() {
        return;
    }
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    for many in [1, 9] {
        for rate in RATES {
            for times in [1.0, 1.1, 1.5, 2.0, 3.0, 5.0] {
                let what = (errors(rate * times), errors(rate), many);
                let found = Rates::of(4, runs(0), what, 5_000);
                let cell = |horizon| {
                    let fail = percent(found.within(Verdict::Fail, horizon));
                    let pass = percent(found.within(Verdict::Pass, horizon));
                    format!("{fail} / {pass}")
                };
                let cells = HORIZONS.map(cell).join(" | ");
                tell(&format!(
                    "| {many} | {} % | {times} | {cells} |",
                    rate * 100.0
                ));
            }
        }
    }
}

/// Everything measured at once, nothing worse: the whole chance to be sent back stays below its bound.
#[test]
fn with_all_measures_together_good_versions_are_seldom_sent_back() {
    let runs = runs(300);
    let analysis = Analysis::default();
    let mut sent_back = 0;
    for run in 0..runs {
        let mut dice = Dice::new(77 ^ (u64::from(run) << 20));
        if first_fail(&analysis, 20, |_| 1.0, &mut dice).is_some() {
            sent_back += 1;
        }
    }
    tell(&format!(
        "all measures, no worse: {sent_back} of {runs} sent back"
    ));
    assert!(f64::from(sent_back) <= 0.02 * f64::from(runs));
}

/// One measure that is worse is found, and named.
#[test]
fn each_measure_finds_what_it_is_for() {
    let runs = runs(20);
    let analysis = Analysis::default();
    for what in [
        "errors",
        "latency",
        "restarts",
        "memory",
        "CPU",
        "new errors",
    ] {
        let mut found = 0;
        // What is rare must be much worse to be found at all.
        let rare = matches!(what, "restarts" | "memory" | "new errors");
        let times = if rare { 12.0 } else { 4.0 };
        for run in 0..runs {
            let mut dice = Dice::new(99 ^ (u64::from(run) << 20));
            let worse = |measure: &str| if measure == what { times } else { 1.0 };
            let judgement = first_fail(&analysis, 60, worse, &mut dice);
            if judgement.is_some_and(|judgement| judgement.in_words().contains(what)) {
                found += 1;
            }
        }
        tell(&format!("{what} {times} times: {found} of {runs} found"));
        assert!(f64::from(found) >= 0.8 * f64::from(runs), "{what}: {found}");
    }
}

/// Looks of one step with a tenth of the traffic, every ten seconds: the first that fails.
fn first_fail(
    analysis: &Analysis,
    looks: u32,
    worse: impl Fn(&str) -> f64,
    dice: &mut Dice,
) -> Option<Judgement> {
    let mut pair = Pair::default();
    let usual = Traffic {
        errors: 0.02,
        latency: Some(30.0),
    };
    let new = Traffic {
        errors: usual.errors * worse("errors"),
        latency: usual.latency.map(|median| median * worse("latency")),
    };
    for _ in 0..looks {
        serve(&mut pair.new, new, 30, dice);
        serve(&mut pair.old, usual, 270, dice);
        for (counts, instances, of) in [(&mut pair.new, 1, true), (&mut pair.old, 9, false)] {
            let times = |what: &str| if of { worse(what) } else { 1.0 };
            counts.there.0 += 10_000 * instances;
            let each = |rate: f64, dice: &mut Dice| -> u64 {
                (0..instances).map(|_| u64::from(unit(dice) < rate)).sum()
            };
            counts.restarts += each(0.02 * times("restarts"), dice);
            counts.out_of_memory += each(0.02 * times("memory"), dice);
            *counts.new_errors.get_or_insert_default() += each(0.02 * times("new errors"), dice);
            let cost = 1_500.0 * times("CPU") * (0.3 * normal(dice)).exp();
            let spread = counts.cpu.get_or_insert_with(Spread::default);
            spread.record(cost);
        }
        let judgement = judge(Rules { analysis, steps: 1 }, &pair);
        if judgement.verdict == Verdict::Fail {
            return Some(judgement);
        }
    }
    None
}

/// Counts of a version of so many instances over an hour that cost so many microseconds a request, and each
/// instance so many by itself.
fn costs(instances: u64, requests: u64, a_request: f64, by_itself: f64) -> Counts {
    let number = |count: u64| f64::from(u32::try_from(count).unwrap());
    let mean = a_request + by_itself * number(instances) / number(requests);
    let mut cpu = Spread::default();
    for stretch in 0..1_200 {
        cpu.record(mean * if stretch % 2 == 0 { 0.9 } else { 1.1 });
    }
    Counts {
        requests,
        there: Span(Span::minutes(60).0 * instances),
        cpu: Some(cpu),
        ..Counts::default()
    }
}

#[test]
fn what_instances_use_by_themselves_sends_nobody_back_and_hides_little() {
    let analysis = Analysis::default();
    let rules = Rules {
        analysis: &analysis,
        steps: 1,
    };
    let of_cpu = |new: Counts, old: Counts| {
        let judgement = judge(rules, &Pair { new, old });
        let mut findings = judgement.findings.into_iter();
        findings.find(|one| one.measure == Measure::Cpu).unwrap()
    };
    // A tenth of the requests on a quarter of the instances, which idle as dearly as they work.
    let old = || costs(3, 90_000, 1_000.0, 30_000_000.0);
    let as_good = of_cpu(costs(1, 10_000, 1_000.0, 30_000_000.0), old());
    assert!(as_good.new > 1.9 * as_good.old, "{}", as_good.words);
    assert_eq!(as_good.verdict, Verdict::Pass, "{}", as_good.words);
    assert!(
        as_good.words.contains("3.0 times as many requests each"),
        "{}",
        as_good.words
    );
    // The same share of both hides nothing.
    let dearer = of_cpu(
        costs(1, 10_000, 2_000.0, 0.0),
        costs(9, 90_000, 1_000.0, 0.0),
    );
    assert_eq!(dearer.verdict, Verdict::Fail, "{}", dearer.words);
    // Where it could be idleness, it must be dearer than that.
    let dearer = of_cpu(costs(1, 10_000, 9_000.0, 30_000_000.0), old());
    assert_eq!(dearer.verdict, Verdict::Fail, "{}", dearer.words);
}

#[test]
fn what_is_meant_to_be_dearer_or_worded_otherwise_is_not_asked_for_that() {
    let analysis = Analysis {
        cpu: false,
        new_errors: false,
        ..Analysis::default()
    };
    let with = |counts: Counts, new_errors| Counts {
        new_errors: Some(new_errors),
        ..counts
    };
    let pair = Pair {
        new: with(costs(1, 10_000, 9_000.0, 0.0), 1_000),
        old: with(costs(9, 90_000, 1_000.0, 0.0), 0),
    };
    let asked = |analysis: &Analysis| judge(Rules { analysis, steps: 1 }, &pair);
    assert_eq!(asked(&Analysis::default()).verdict, Verdict::Fail);
    let judgement = asked(&analysis);
    assert_ne!(judgement.verdict, Verdict::Fail);
    let mut findings = judgement.findings.iter();
    assert!(!findings.any(|one| matches!(one.measure, Measure::Cpu | Measure::NewErrors)));
}

#[test]
fn new_errors_of_which_every_look_finds_one_are_weighed_by_instances() {
    let analysis = Analysis::default();
    let rules = Rules {
        analysis: &analysis,
        steps: 1,
    };
    let of = |new: u64, old: u64| {
        let counts = |instances: u64, requests, new_errors| Counts {
            requests,
            new_errors: Some(new_errors),
            there: Span(Span::minutes(60).0 * instances),
            ..Counts::default()
        };
        let pair = Pair {
            new: counts(1, 10_000, new),
            old: counts(3, 90_000, old),
        };
        let mut findings = judge(rules, &pair).findings.into_iter();
        findings
            .find(|one| one.measure == Measure::NewErrors)
            .unwrap()
    };
    // An outage that both of them write of at every look.
    assert_eq!(of(1_800, 3 * 1_800).verdict, Verdict::Pass);
    assert_eq!(of(1, 0).verdict, Verdict::Pass);
    let worse = of(12, 0);
    assert_eq!(worse.verdict, Verdict::Fail, "{}", worse.words);
    assert!(worse.words.starts_with(
        "new kinds of error lines 12 times in 10000 requests, never in 90000 of the last good version"
    ));
}

#[test]
fn without_requests_nothing_passes_and_a_latency_that_nobody_measures_holds_nothing_up() {
    let analysis = Analysis::default();
    let rules = Rules {
        analysis: &analysis,
        steps: 1,
    };
    let verdict = |pair: &Pair| judge(rules, pair).verdict;
    assert_eq!(verdict(&Pair::default()), Verdict::NotEnough);
    let of = |requests, errors| Counts {
        requests,
        errors,
        there: Span::minutes(10),
        ..Counts::default()
    };
    // No errors at all in so many requests that one in a hundred would have shown.
    let mut pair = Pair {
        new: of(1_000, 0),
        old: of(9_000, 0),
    };
    assert_eq!(verdict(&pair), Verdict::Pass);
    pair.old.requests = 99;
    assert_eq!(
        verdict(&pair),
        Verdict::NotEnough,
        "nothing to compare with"
    );
    pair.old.requests = 9_000;
    pair.new.requests = 99;
    assert_eq!(verdict(&pair), Verdict::NotEnough);
    // It fails before the least number of requests, where that is plain.
    pair.new.errors = 40;
    assert_eq!(verdict(&pair), Verdict::Fail);
}

#[test]
fn what_is_said_has_the_numbers() {
    let analysis = Analysis::default();
    let of = |requests, errors| Counts {
        requests,
        errors,
        ..Counts::default()
    };
    let pair = Pair {
        new: of(500, 60),
        old: of(4_500, 225),
    };
    let rules = Rules {
        analysis: &analysis,
        steps: 2,
    };
    insta::assert_snapshot!(judge(rules, &pair).in_words(), @"fail: errors: 12 % of 500 requests fail, 5.00 % of 4500 of the last good version; chance of that if it were no worse: below 0.001 %, if it did harm (at least 2 times as many and 1.00 %): 100 %");
}
