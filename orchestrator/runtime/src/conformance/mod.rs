//! What every backend must do, as one suite of checks over the trait. A backend that passes can be
//! driven by the same core as all others; what a backend does not claim is not asked of it.
//!
//! `subject` is what is under test, `life` checks starts and ends, `inside` what happens in between,
//! `resize` other resources for what runs.

mod inside;
mod life;
mod resize;
mod subject;

use self::subject::Outcome;
pub use self::subject::{Claims, Reopen, Subject, Work};
use futures::future::BoxFuture;

/// One check.
pub struct Check {
    /// What it shows, in words.
    pub name: &'static str,
    /// Whether it is asked of a backend with these claims.
    pub applies: fn(&Claims) -> bool,
    run: for<'a> fn(&'a Subject) -> BoxFuture<'a, Outcome>,
}

/// What a run of the suite found.
#[derive(Debug, Default)]
pub struct Report {
    /// Checks that passed.
    pub passed: Vec<&'static str>,
    /// Checks that were not asked, since the backend does not claim what they check.
    pub skipped: Vec<&'static str>,
    /// Checks that failed, and what they saw.
    pub failed: Vec<(&'static str, String)>,
}

macro_rules! checks {
    ($($name:literal, $applies:expr, $run:path;)*) => {
        vec![$(Check { name: $name, applies: $applies, run: |subject| Box::pin($run(subject)) }),*]
    };
}

/// The whole suite.
#[must_use]
pub fn checks() -> Vec<Check> {
    checks! {
        "an instance starts, runs, stops and leaves nothing", |_| true, life::starts_and_stops;
        "starting what runs does nothing", |_| true, life::start_is_idempotent;
        "starting an attempt that is over is refused", |_| true, life::late_starts_are_refused;
        "an exit code is recorded", |_| true, life::exit_code;
        "a killing signal is recorded", |_| true, life::killing_signal;
        "running out of memory is named", |claims| claims.memory_limits, life::out_of_memory;
        "a polite stop ends within its grace", |_| true, life::polite_stop;
        "a stop that is ignored kills after its grace", |_| true, life::stubborn_stop;
        "another attempt keeps address and history", |_| true, life::another_attempt;
        "a command that is not there is named and leaves nothing", |claims| claims.commands, life::missing_command;
        "an image that is not there is named", |claims| claims.images, life::missing_image;
        "many start at once", |_| true, life::many_at_once;
        "a new daemon adopts what runs", |claims| claims.adoption, life::adoption;
        "what runs gets other resources and runs on", |_| true, resize::in_place;
        "only what runs is resized", |_| true, resize::only_what_runs;
        "another attempt keeps its resources or gets those of its order", |_| true, resize::with_the_next_attempt;
        "a memory limit below what is in use is refused and ends nothing", |claims| claims.memory_limits, resize::not_below_use;
        "a new daemon knows what was resized", |claims| claims.adoption, resize::known_to_the_next_daemon;
        "both output streams are kept, page by page", |claims| claims.commands, inside::logs;
        "commands run inside", |claims| claims.exec, inside::exec;
        "use is measured", |_| true, inside::usage;
        "volumes, configs and secrets are where they should be", |claims| claims.storage, inside::storage;
    }
}

/// Runs every check that applies, one after the other. Each removes its instances, also when it fails.
pub async fn run(subject: &Subject) -> Report {
    let mut report = Report::default();
    for check in checks() {
        if !(check.applies)(&subject.claims) {
            report.skipped.push(check.name);
            continue;
        }
        let outcome = (check.run)(subject).await;
        let cleaned = subject.clean().await;
        match outcome.and(cleaned) {
            Ok(()) => report.passed.push(check.name),
            Err(seen) => report.failed.push((check.name, seen)),
        }
    }
    report
}
