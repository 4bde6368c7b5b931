//! `ostler demo`: a small shop in real containers, three faults, what was done about them, the proof.
//!
//! It uses Ostler as a person does: the same commands, through the same gate. Nothing is scripted
//! on the other side; what is shown is what happened.

mod acts;
pub mod images;
mod stage;
mod summary;

use anyhow::Context;

use stage::Stage;

/// How the demo is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Approve proposals without asking.
    pub yes: bool,
    /// Leave the shop running and say how to reach it.
    pub keep: bool,
}

/// The shop's manifests with the frontend published on a port of this machine.
#[must_use]
pub fn manifests(port: u16) -> String {
    let shop = include_str!("../../../evals/shop/shop.yaml");
    shop.replace("publish: 8088", &format!("publish: {port}"))
}

/// A service that visits the shop all the time.
pub const TRAFFIC: &str = include_str!("../../../evals/shop/traffic.yaml");

/// Runs the demo.
///
/// # Errors
/// When a part cannot be started, or something that the demo promises does not happen.
pub fn run(options: Options) -> anyhow::Result<()> {
    let mut stage = Stage::open(options)?;
    let outcome = play(&mut stage);
    let closed = if options.keep && outcome.is_ok() {
        stage.leave_running()
    } else {
        stage.close()
    };
    outcome.and(closed.context("cleaning up"))
}

fn play(stage: &mut Stage) -> anyhow::Result<()> {
    acts::open_shop(stage)?;
    let stories = vec![
        acts::crash(stage)?,
        acts::bad_change(stage)?,
        acts::leak(stage)?,
    ];
    summary::print(stage, &stories)
}
