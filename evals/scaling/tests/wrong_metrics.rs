//! Metrics that lie or stop: nothing harmful comes of it, whatever they say.
#![expect(clippy::print_stdout, reason = "prints its figures")]

use ostler_scaling::{
    control::{Pace, ostler::Ostler},
    run::play,
    scenario::{Lie, Scenario, Wrong},
};

/// The lie begins and ends, in seconds: ten minutes are longer than any window.
const FROM_S: u64 = 2_400;
const UNTIL_S: u64 = 3_000;

/// What a lie led to: least and most CPUs reserved while it went on against those of just before, and
/// whether users felt it.
struct Harm {
    least: f64,
    most: f64,
    late: f64,
}

fn harm(how: Lie, resizes: bool) -> Harm {
    let mut scenario = Scenario::new("steady", "", vec![100.0; 960], 120).calm();
    scenario.metrics.wrong = Some(Wrong {
        from_s: FROM_S,
        until_s: UNTIL_S,
        how,
    });
    let mut ours = Ostler::new(&scenario, 1.0, resizes, Pace::OSTLER);
    let mut before: f64 = 0.0;
    let mut harm = Harm {
        least: f64::MAX,
        most: 0.0,
        late: 0.0,
    };
    play(&scenario, &mut ours, 11, &mut |now_s, world, outcome| {
        #[expect(clippy::cast_precision_loss, reason = "some instances")]
        let reserved =
            |one: &ostler_scaling::service::Service| one.instances.len() as f64 * one.cores;
        let cores: f64 = world.services.iter().map(reserved).sum();
        if now_s < FROM_S {
            before = cores;
        } else if now_s < UNTIL_S + 600 {
            harm.least = harm.least.min(cores / before);
            harm.most = harm.most.max(cores / before);
            harm.late = harm
                .late
                .max((outcome.late + outcome.errors) / outcome.arrived);
        }
    });
    harm
}

fn does_no_harm(how: Lie) {
    for resizes in [true, false] {
        let Harm { least, most, late } = harm(how, resizes);
        println!("{how:?}, resizes {resizes}: {least:.2} to {most:.2}, late {late:.4}");
        assert!(
            least > 0.85,
            "{how:?}, resizes {resizes}: {least:.2} of what was there is left"
        );
        assert!(
            most < 1.4,
            "{how:?}, resizes {resizes}: {most:.2} times what was there"
        );
        assert!(
            late < 0.02,
            "{how:?}, resizes {resizes}: {late:.3} of requests late or failed"
        );
    }
}

#[test]
fn not_a_number() {
    does_no_harm(Lie::NotANumber);
}

#[test]
fn negative() {
    does_no_harm(Lie::Negative);
}

#[test]
fn a_counter_that_begins_anew() {
    does_no_harm(Lie::CounterReset);
}

#[test]
fn a_spike_of_a_thousand_million() {
    does_no_harm(Lie::Spike);
}

#[test]
fn a_clock_an_hour_ahead() {
    does_no_harm(Lie::AheadOfTime);
}

#[test]
fn a_clock_an_hour_behind() {
    does_no_harm(Lie::BehindTime);
}

#[test]
fn the_source_cut_off() {
    does_no_harm(Lie::CutOff);
}
