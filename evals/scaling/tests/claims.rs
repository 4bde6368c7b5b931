//! What following the load is said to be worth, on load that is made up: as measured, and may not become less.
//!
//! The HPA is the best of a coarse grid, tuned on the very load, so these shares are larger than those of
//! `docs/scaling.md`, where the grid is whole: this holds that nothing is lost, that page says what is won.
#![expect(clippy::print_stdout, reason = "prints its figures")]

use ostler_scaling::{
    contest::ostler,
    control::Pace,
    generate,
    measure::Result,
    scenario::Scenario,
    tune::{self, Grid},
};

const SEED: u64 = 1;

fn both(scenario: &Scenario) -> (Result, Result) {
    let hpa = tune::hpa(&Grid::coarse(), scenario, SEED);
    let hpa = hpa.map(|tuned| tuned.result).unwrap_or_default();
    let ours = ostler(scenario, 1.0, true, Pace::OSTLER, SEED);
    println!(
        "{}: Ostler {} out, {:.1} core-hours, {} turns; HPA {} out, {:.1} core-hours, {} turns",
        scenario.name, ours.out, ours.core_hours, ours.turns, hpa.out, hpa.core_hours, hpa.turns
    );
    (ours, hpa)
}

fn holds(scenario: &Scenario, at_least: f64) {
    let (ours, hpa) = both(scenario);
    assert!(
        ours.out <= hpa.out,
        "{}: {} minutes out, HPA {}",
        scenario.name,
        ours.out,
        hpa.out
    );
    let saves = 1.0 - ours.core_hours / hpa.core_hours;
    assert!(saves >= at_least, "{}: saves {saves:.3}", scenario.name);
}

#[test]
fn flash_crowd() {
    holds(&generate::flash_crowd(SEED), 0.6);
}

#[test]
fn retry_storm() {
    holds(&generate::retry_storm(SEED), 0.3);
}

#[test]
fn slow_leak() {
    // Fourteen hours: the first carts are killed after nine.
    let mut leak = generate::slow_leak(SEED);
    leak.rates.truncate(14 * 720);
    holds(&leak, 0.22);
}

#[test]
fn noisy_days() {
    // One measured day of three.
    let mut days = generate::diurnal(SEED);
    days.rates.truncate(17_280 * 2);
    holds(&days, 0.2);
}
