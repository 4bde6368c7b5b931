//! Reads ITBench's scenarios where the data is there: each has a truth and a way out.

use std::path::PathBuf;

use ostler_evals_import::case::Truth;
use ostler_evals_import::itbench::read;

#[test]
fn every_scenario_has_a_truth_and_a_way_out() {
    let root = std::env::var_os("OSTLER_INCIDENTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let root = root.join("itbench");
    if !root.is_dir() {
        println!(
            "SKIPPED: no data at `{}`; set OSTLER_INCIDENTS",
            root.display()
        );
        return;
    }
    let scenarios = read(&root).expect("every scenario can be read");
    assert!(scenarios.len() > 20, "{} scenarios", scenarios.len());
    let events: usize = scenarios
        .iter()
        .map(|one| one.case.picture.events.len())
        .sum();
    let edges: usize = scenarios
        .iter()
        .map(|one| one.case.picture.edges.len())
        .sum();
    println!(
        "{} scenarios, {events} alerts, {edges} edges",
        scenarios.len()
    );
    for one in &scenarios {
        let Truth::Faulty { objects, cause } = &one.case.truth else {
            panic!("{}", one.case.id)
        };
        assert!(
            !objects.is_empty() && cause.is_some(),
            "{}: no truth",
            one.case.id
        );
        let steps: usize = one.solutions.iter().map(Vec::len).sum();
        println!(
            "{:14} {} {} ways, {steps} steps",
            one.case.id,
            objects.join(","),
            one.solutions.len()
        );
    }
    let without = scenarios
        .iter()
        .filter(|one| one.solutions.iter().all(Vec::is_empty))
        .count();
    assert_eq!(without, 0, "scenarios without a way out");
}
