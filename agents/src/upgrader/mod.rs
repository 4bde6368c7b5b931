//! The upgrader: sees newer versions that a manifest wants, judges them, proposes the right one with a way in
//! that fits its risk.
//!
//! `notice` says which services could move now, a few at a time; `plan` writes the proposal. What is thought
//! is in `ostler-upgrades`. Nothing here acts: the kit does, after the gate allowed it, and the core carries
//! the rollout on, and back, without it.

mod judge;
mod notice;
mod plan;

use std::sync::Arc;

use ostler_agents_kit::{
    agent::{Clock, Parts},
    budget::Budget,
};

pub use notice::Noticing;
pub use plan::UpgradePlanner;

/// What a model that thinks for the upgrader is told.
pub const PROMPT: &str = include_str!("prompt.md");
/// What the upgrader's proposals may consist of; policy says when.
pub const PROPOSABLE: &[&str] = &["upgrade_service"];

/// The upgrader's parts.
#[must_use]
pub fn parts(clock: Arc<dyn Clock>) -> Parts {
    Parts {
        notice: Box::new(Noticing::default()),
        planner: Box::new(UpgradePlanner),
        budget: Budget::default(),
        clock,
        shadow: None,
    }
}
