//! The same incidents made strange: other names, other amounts, noise, and a part of what was seen
//! not seen. What the engine says must hang on none of it.
//!
//! Prints figures; asserts what was earned. The data is no part of the project, see `common`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and prints its table"
)]

mod common;
#[path = "common/strange/mod.rs"]
mod strange;

use std::sync::LazyLock;

use common::folder;
use ostler_diagnosis::knowledge::Knowledge;
use ostler_evals_import::{case::Case, cloudopsbench::read};
use strange::{gaps, names, noise, scale, table::Table};

/// Makes a case strange.
type Change = fn(&Case) -> Case;

static KNOWLEDGE: LazyLock<Knowledge> = LazyLock::new(|| Knowledge::built_in().unwrap());
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    folder("cloudopsbench").map_or_else(Vec::new, |folder| read(&folder).unwrap())
});
/// Gaps are drawn so many times: one draw is luck.
const DRAWS: [&str; 4] = ["c", "d", "e", "f"];

fn measured(name: &str, cases: impl Iterator<Item = Case>) -> (f64, f64) {
    let table = Table::of(cases, &KNOWLEDGE);
    table.print(name);
    table.all.shares()
}

#[test]
fn names_do_not_decide() {
    if CASES.is_empty() {
        return;
    }
    let as_is = measured("as recorded", CASES.iter().cloned());
    for salt in ["a", "b"] {
        let cases = CASES.iter().map(|case| names::renamed(case, salt));
        let other = measured(&format!("other names ({salt})"), cases);
        assert!(other.0 > as_is.0 - 0.015, "{other:?} against {as_is:?}");
    }
}

#[test]
fn who_is_the_victim_does_not_decide() {
    if CASES.is_empty() {
        return;
    }
    let moved = |salt: &'static str| {
        let cases = CASES.iter();
        cases.filter_map(move |case| names::transplanted(case, salt))
    };
    for salt in ["a", "b"] {
        let other = measured(&format!("another victim ({salt})"), moved(salt));
        assert!(other.0 >= 0.9, "{other:?}");
    }
    // One service's cases that go worse than others' would say that its name or its place matters.
    let table = Table::of(CASES.iter().cloned(), &KNOWLEDGE);
    for (object, hits) in &table.objects {
        let (cause, _) = hits.shares();
        println!("  {object:<44} {:3} {cause:.2}", hits.cases);
        assert!(hits.cause + 2 >= hits.cases, "{object}: {hits:?}");
    }
}

#[test]
fn gaps_do_not_decide() {
    if CASES.is_empty() {
        return;
    }
    for (share, floor) in [(0.1, 0.78), (0.2, 0.55)] {
        let cases = DRAWS.iter().flat_map(|draw| {
            CASES
                .iter()
                .map(move |case| gaps::thinned(case, share, draw))
        });
        let less = measured(&format!("{share} not seen"), cases);
        assert!(less.0 >= floor, "{less:?}");
    }
}

#[test]
fn amounts_and_noise_do_not_decide() {
    if CASES.is_empty() {
        return;
    }
    let all = || CASES.iter();
    let strange: [(&str, f64, Change); 12] = [
        ("half as much trouble", 0.9, |case| {
            scale::amplified(case, 0.5)
        }),
        ("a third more trouble", 0.9, |case| {
            scale::amplified(case, 1.33)
        }),
        ("twice as much trouble", 0.9, |case| {
            scale::amplified(case, 2.0)
        }),
        ("half of the points", 0.9, |case| {
            gaps::sparse(case, 0.5, "p")
        }),
        ("three times the replicas", 0.9, |case| {
            scale::replicated(case, 3)
        }),
        ("three times the traffic", 0.9, |case| {
            scale::busier(case, 3.0, 1.0)
        }),
        ("a third of the traffic", 0.9, |case| {
            scale::busier(case, 0.33, 1.0)
        }),
        ("twice as slow all along", 0.9, |case| {
            scale::busier(case, 1.0, 2.0)
        }),
        ("half as slow all along", 0.9, |case| {
            scale::busier(case, 1.0, 0.5)
        }),
        ("other ids", 0.9, |case| scale::reworded(case, "w")),
        ("ten healthy events and lines", 0.9, |case| {
            noise::noisy(case, &CASES, 10, "n")
        }),
        ("a month later", 0.9, |case| {
            noise::later(case, 2_592_000.0, 0.0)
        }),
    ];
    for (name, floor, change) in &strange {
        let other = measured(name, all().map(change));
        assert!(other.0 >= *floor, "{name}: {other:?}");
    }
    for late in [60.0, 180.0] {
        measured(
            &format!("noticed {late} s late"),
            all().map(|case| noise::later(case, 0.0, late)),
        );
    }
}
