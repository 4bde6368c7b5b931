//! The healer: notices what the core's rules do not settle, finds the cause, proposes a fix.
//!
//! `notice` says what counts as a symptom; `rules` holds one file a cause; `plan` weighs what the
//! rules say and writes the proposal; where they are not sure, `opinion` asks the root-cause engine. Nothing here acts: the kit does, after the gate allowed it.

mod growth;
mod notice;
mod noticed_signals;
mod opinion;
mod plan;
pub mod rules;

use std::sync::Arc;

use ostler_agents_kit::{
    agent::{Clock, Parts},
    budget::Budget,
};

pub use notice::Noticing;
pub use plan::RulesPlanner;

/// What a model that thinks for the healer is told.
pub const PROMPT: &str = include_str!("prompt.md");
/// What the healer's proposals may consist of; policy says when.
pub const PROPOSABLE: &[&str] = &["restart_instances", "rollback_service", "set_limits"];

/// The healer's parts.
#[must_use]
pub fn parts(clock: Arc<dyn Clock>) -> Parts {
    Parts {
        notice: Box::new(Noticing::default()),
        planner: Box::new(RulesPlanner),
        budget: Budget::default(),
        clock,
        shadow: None,
    }
}
