//! Recorded load, where it is there: read whole, and Ostler's measure on it as it was.
//!
//! The traces are no part of the project: `OSTLER_INCIDENTS` names the folder that has `worldcup98` and
//! `autothrottle`.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "prints its figures, and may stop at the first surprise"
)]

use std::path::PathBuf;

use ostler_scaling::{
    contest::ostler,
    control::Pace,
    recorded,
    scenario::Scenario,
    tune::{self, Grid},
};

fn scenarios() -> Option<Vec<Scenario>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let data =
        std::env::var_os("OSTLER_INCIDENTS").map_or_else(|| PathBuf::from(default), PathBuf::from);
    if data.join("worldcup98").is_dir() && data.join("autothrottle").is_dir() {
        return Some(recorded::all(&data).expect("every trace can be read"));
    }
    println!(
        "SKIPPED: no `worldcup98` and `autothrottle` in {}; put them there or name their folder in OSTLER_INCIDENTS",
        data.display()
    );
    None
}

#[test]
fn every_trace_is_read_whole() {
    let Some(scenarios) = scenarios() else {
        return;
    };
    let steps: Vec<usize> = scenarios.iter().map(|one| one.rates.len()).collect();
    // An hour each; four days each, less the minute that has no next.
    assert_eq!(steps, [720, 720, 4 * 17_280 - 12, 4 * 17_280 - 12]);
    for scenario in scenarios {
        let sane = scenario
            .rates
            .iter()
            .all(|rate| rate.is_finite() && *rate > 0.0);
        assert!(sane, "{}", scenario.name);
    }
}

#[test]
fn an_hour_is_served_for_less_than_the_tuned_hpa_needs() {
    for scenario in scenarios().iter().flatten().filter(|one| one.runs > 1) {
        let hpa = tune::hpa(&Grid::coarse(), scenario, 1).map(|tuned| tuned.result);
        let hpa = hpa.unwrap_or_default();
        let ours = ostler(scenario, 1.0, true, Pace::OSTLER, 1);
        println!(
            "{}: Ostler {} out, {:.1} core-hours; HPA {} out, {:.1}",
            scenario.name, ours.out, ours.core_hours, hpa.out, hpa.core_hours
        );
        assert!(ours.out <= hpa.out, "{}", scenario.name);
        assert!(ours.core_hours < hpa.core_hours, "{}", scenario.name);
    }
}
