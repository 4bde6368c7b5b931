//! Incidents of made-up systems: how often the victim is named, and how often a healthy one is.
//!
//! What was changed in the engine was changed with the seeds of `LOOKED_AT` in view only. Those of
//! `HELD_OUT` carry the floors.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise, and prints its table"
)]

#[path = "common/tally.rs"]
mod tally;
#[path = "common/town/mod.rs"]
mod town;

use std::collections::BTreeMap;

use ostler_diagnosis::diagnose::diagnose;
use ostler_diagnosis::finding::Diagnosis;
use ostler_diagnosis::knowledge::Knowledge;
use ostler_evals_import::case::{Case, Truth};
use tally::{healthy, place, share};
use town::fault::{KINDS, Kind};
use town::{CALM, Happening, incident};

/// Seeds that were in view while the engine was changed.
const LOOKED_AT: u64 = 0;
/// Seeds that were not.
const HELD_OUT: u64 = 1_000_000;

/// How often the victim was at which place.
#[derive(Debug, Clone, Copy, Default)]
struct Named {
    cases: usize,
    first: usize,
    third: usize,
    average: f64,
    /// Victim first, with a word for what is really wrong with it.
    told: usize,
}

impl Named {
    fn count(&mut self, diagnosis: &Diagnosis, truth: &Truth, words: &[&str]) {
        let place = place(diagnosis, truth).unwrap_or(usize::MAX);
        let first = diagnosis.findings.first();
        let word = first.and_then(|finding| finding.cause.as_deref());
        self.told += usize::from(place == 0 && word.is_some_and(|word| words.contains(&word)));
        self.cases += 1;
        self.first += usize::from(place == 0);
        self.third += usize::from(place < 3);
        self.average += (0..5).filter(|k| place <= *k).count() as f64 / 5.0;
    }

    fn shares(&self) -> [f64; 4] {
        let [first, third, told] =
            [self.first, self.third, self.told].map(|part| share(part, self.cases));
        [first, third, self.average / self.cases as f64, told]
    }

    fn print(&self, name: &str) {
        let [first, third, average, told] = self.shares();
        println!(
            "{name:<32} {:5}  {first:.3}  {third:.3}  {average:.3}  {told:.3}",
            self.cases
        );
    }
}

#[derive(Default)]
struct Table {
    faulty: BTreeMap<String, Named>,
    /// Healthy ones: how many, how many had nobody suspected, how many were called healthy.
    calm: BTreeMap<String, [usize; 3]>,
}

impl Table {
    fn of(first_seed: u64, seeds: u64) -> Self {
        let knowledge = Knowledge::built_in().unwrap();
        let mut table = Self::default();
        let faults = KINDS.map(Happening::Fault);
        for (kind, happening) in (0..).zip(faults.iter().chain(&CALM)) {
            for seed in 0..seeds {
                let made = incident(*happening, first_seed + kind * 10_000 + seed);
                let (blind, late) = (without_graph(&made.case), unnoticed(&made.case));
                let mut ways = vec![("graph", &made.case), ("no graph", &blind)];
                // To look for the moment too takes long: one in three says enough.
                if seed.is_multiple_of(3) {
                    ways.push(("unnoticed", &late));
                }
                for (how, case) in ways {
                    table.count(how, &made, case, &diagnose(&case.picture, &knowledge));
                }
            }
        }
        table
    }

    fn count(&mut self, how: &str, made: &town::Incident, case: &Case, diagnosis: &Diagnosis) {
        let what = match made.happening {
            Happening::Fault(kind) => format!("{kind:?}"),
            calm => format!("{calm:?}"),
        };
        if std::env::var_os("OSTLER_MISSES").is_some() {
            missed(how, &what, made, diagnosis);
        }
        if case.truth == Truth::Healthy {
            for name in ["all", &what] {
                let counted = self.calm.entry(format!("{how}: {name}")).or_default();
                let (calm, quiet) = (diagnosis.findings.is_empty(), healthy(diagnosis));
                *counted = [
                    counted[0] + 1,
                    counted[1] + usize::from(calm),
                    counted[2] + usize::from(quiet),
                ];
            }
            return;
        }
        let plain = if made.severity < 0.5 {
            "subtle"
        } else {
            "plain"
        };
        let clock = format!("each {:02} s", made.step_s);
        for name in ["all", &what, plain, &clock] {
            let counted = self.faulty.entry(format!("{how}: {name}")).or_default();
            counted.count(diagnosis, &case.truth, words(made.happening));
        }
    }

    fn print(&self) {
        println!("{:<32} cases    A@1    A@3  Avg@5  cause", "");
        for (name, named) in &self.faulty {
            named.print(name);
        }
        for (name, [cases, calm, quiet]) in &self.calm {
            let [calm, quiet] = [calm, quiet].map(|part| share(*part, *cases));
            println!("{name:<32} {cases:5}  nobody suspected {calm:.3}, called healthy {quiet:.3}");
        }
    }
}

/// What the engine may call what is wrong.
fn words(happening: Happening) -> &'static [&'static str] {
    let Happening::Fault(kind) = happening else {
        return &[];
    };
    match kind {
        Kind::CpuHog => &["cpu_saturated", "cpu_starved"],
        Kind::MemoryLeak | Kind::MemoryJump => &["memory_growth"],
        Kind::DiskStress => &["disk_pressure"],
        Kind::NetworkDelay | Kind::PacketLoss => {
            &["slow", "network_of_instance_slow", "network_change"]
        }
        Kind::CrashLoop => &["restarts"],
        Kind::Connections => &["errors", "queue_growth"],
        Kind::SlowStore => &["slow", "network_of_instance_slow"],
        Kind::SlowCode => &["slow", "network_of_instance_slow", "cpu_saturated"],
        Kind::ErrorsOfCode | Kind::WrongAddress => &["errors"],
    }
}

fn missed(how: &str, what: &str, made: &town::Incident, diagnosis: &Diagnosis) {
    if place(diagnosis, &made.case.truth) == Some(0) || (made.severity == 0.0 && healthy(diagnosis))
    {
        return;
    }
    let said: Vec<String> = diagnosis
        .findings
        .iter()
        .take(3)
        .map(|finding| {
            let shows: Vec<&str> = finding
                .evidence
                .iter()
                .map(|one| one.shows.as_str())
                .collect();
            format!(
                "{} {:?} {:.2} [{}]",
                finding.object,
                finding.cause,
                finding.score,
                shows.join("; ")
            )
        })
        .collect();
    println!(
        "MISS {how} {what} {} each {} s, severity {:.2}, {:?} at {:?}:\n    {}",
        made.case.id,
        made.step_s,
        made.severity,
        made.case.truth,
        place(diagnosis, &made.case.truth),
        said.join("\n    ")
    );
}

fn unnoticed(case: &Case) -> Case {
    let mut case = case.clone();
    case.picture.noticed = None;
    case
}

fn without_graph(case: &Case) -> Case {
    let mut case = case.clone();
    case.picture.edges.clear();
    case.picture
        .objects
        .retain(|id, _| !id.starts_with("node/"));
    case
}

/// How many seeds of each happening, where somebody wants more than a test has time for.
fn seeds(usual: u64) -> u64 {
    let wanted = std::env::var("OSTLER_SEEDS").ok();
    wanted
        .and_then(|wanted| wanted.parse().ok())
        .unwrap_or(usual)
}

/// For changing the engine: many seeds, none of the floors' own.
#[test]
#[ignore = "long; prints only"]
fn what_was_looked_at() {
    Table::of(LOOKED_AT, seeds(40)).print();
}

#[test]
fn the_victim_is_named_and_healthy_towns_are_left_alone() {
    let table = Table::of(HELD_OUT, seeds(5));
    table.print();
    for (how, floors, calm_floor) in [
        ("graph", [0.73, 0.75, 0.75], 0.87),
        ("no graph", [0.59, 0.71, 0.69], 0.87),
        ("unnoticed", [0.68, 0.77, 0.74], 0.79),
    ] {
        let name = format!("{how}: all");
        let shares = table.faulty[&name].shares();
        let held = shares
            .iter()
            .zip(floors)
            .all(|(share, floor)| *share >= floor);
        assert!(held, "{name}: {shares:?} against {floors:?}");
        let [cases, calm, _] = table.calm[&name];
        let calm = share(calm, cases);
        assert!(
            calm >= calm_floor,
            "{name}: {calm} of the healthy ones left alone"
        );
    }
}
