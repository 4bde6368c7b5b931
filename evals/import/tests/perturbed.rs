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
/// Gaps are drawn more than once: one draw is luck.
const DRAWS: [&str; 2] = ["c", "d"];

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
    let cases = CASES.iter();
    let moved = cases.filter_map(|case| names::transplanted(case, "a"));
    let other = measured("another victim", moved);
    assert!(other.0 >= 0.98, "{other:?}");
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
    for (share, floors) in [(0.1, (0.93, 0.96)), (0.2, (0.85, 0.93))] {
        let cases = DRAWS.iter().flat_map(|draw| {
            CASES
                .iter()
                .map(move |case| gaps::thinned(case, share, draw))
        });
        let less = measured(&format!("{share} not seen"), cases);
        assert!(less.0 >= floors.0 && less.1 >= floors.1, "{less:?}");
    }
}

#[test]
fn amounts_and_noise_do_not_decide() {
    if CASES.is_empty() {
        return;
    }
    // Every fourth case is enough: most of these change nothing for most.
    let all = || CASES.iter().step_by(4);
    let strange: [(&str, f64, Change); 12] = [
        ("half as much trouble", 0.98, |case| {
            scale::amplified(case, 0.5)
        }),
        ("a third more trouble", 0.98, |case| {
            scale::amplified(case, 1.33)
        }),
        ("twice as much trouble", 0.97, |case| {
            scale::amplified(case, 2.0)
        }),
        ("half of the points", 0.98, |case| {
            gaps::sparse(case, 0.5, "p")
        }),
        ("three times the replicas", 0.98, |case| {
            scale::replicated(case, 3)
        }),
        ("three times the traffic", 0.98, |case| {
            scale::busier(case, 3.0, 1.0)
        }),
        ("a third of the traffic", 0.98, |case| {
            scale::busier(case, 0.33, 1.0)
        }),
        ("twice as slow all along", 0.98, |case| {
            scale::busier(case, 1.0, 2.0)
        }),
        ("half as slow all along", 0.98, |case| {
            scale::busier(case, 1.0, 0.5)
        }),
        ("other ids", 0.98, |case| scale::reworded(case, "w")),
        ("ten healthy events and lines", 0.98, |case| {
            noise::noisy(case, &CASES, 10, "n")
        }),
        ("a month later", 0.98, |case| {
            noise::later(case, 2_592_000.0, 0.0)
        }),
    ];
    for (name, floor, change) in &strange {
        let other = measured(name, all().map(change));
        assert!(other.0 >= *floor, "{name}: {other:?}");
    }
    for (late, floor) in [(60.0, 0.96), (180.0, 0.91)] {
        let name = format!("noticed {late} s late");
        let other = measured(&name, all().map(|case| noise::later(case, 0.0, late)));
        assert!(other.0 >= floor, "{name}: {other:?}");
    }
}
