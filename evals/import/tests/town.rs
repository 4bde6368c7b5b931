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
use town::fault::KINDS;
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
}

impl Named {
    fn count(&mut self, diagnosis: &Diagnosis, truth: &Truth) {
        let place = place(diagnosis, truth).unwrap_or(usize::MAX);
        self.cases += 1;
        self.first += usize::from(place == 0);
        self.third += usize::from(place < 3);
        self.average += (0..5).filter(|k| place <= *k).count() as f64 / 5.0;
    }

    fn print(&self, name: &str) {
        let average = self.average / self.cases as f64;
        let [first, third] = [self.first, self.third].map(|part| share(part, self.cases));
        println!(
            "{name:<32} {:5}  {first:.3}  {third:.3}  {average:.3}",
            self.cases
        );
    }
}

#[derive(Default)]
struct Table {
    faulty: BTreeMap<String, Named>,
    /// Healthy ones: how many, and how many were called so.
    calm: BTreeMap<String, [usize; 2]>,
}

impl Table {
    fn of(first_seed: u64, seeds: u64) -> Self {
        let knowledge = Knowledge::built_in().unwrap();
        let mut table = Self::default();
        let faults = KINDS.map(Happening::Fault);
        for (kind, happening) in (0..).zip(faults.iter().chain(&CALM)) {
            for seed in 0..seeds {
                let made = incident(*happening, first_seed + kind * 10_000 + seed);
                let blind = without_graph(&made.case);
                for (how, case) in [("graph", &made.case), ("no graph", &blind)] {
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
                *counted = [counted[0] + 1, counted[1] + usize::from(healthy(diagnosis))];
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
            counted.count(diagnosis, &case.truth);
        }
    }

    fn print(&self) {
        println!("{:<32} cases    A@1    A@3  Avg@5", "");
        for (name, named) in &self.faulty {
            named.print(name);
        }
        for (name, [cases, quiet]) in &self.calm {
            println!(
                "{name:<32} {cases:5}  called healthy {:.3}",
                share(*quiet, *cases)
            );
        }
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

fn without_graph(case: &Case) -> Case {
    let mut case = case.clone();
    case.picture.edges.clear();
    case.picture
        .objects
        .retain(|id, _| !id.starts_with("node/"));
    case
}

/// For changing the engine: many seeds, none of the floors' own.
#[test]
#[ignore = "long; prints only"]
fn what_was_looked_at() {
    let seeds = std::env::var("OSTLER_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok());
    let table = Table::of(LOOKED_AT, seeds.unwrap_or(40));
    table.print();
}

#[test]
fn the_victim_is_named() {
    let table = Table::of(HELD_OUT, 6);
    table.print();
}
